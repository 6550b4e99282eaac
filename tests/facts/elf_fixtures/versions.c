/* Two versions of one name, the newer one the default, and a name in each node. */
int old_answer(void) { return 1; }
int new_answer(void) { return 2; }
__asm__(".symver old_answer,answer@ONE");
__asm__(".symver new_answer,answer@@TWO");
int only_one(void) { return 1; }
int only_two(void) { return 2; }
