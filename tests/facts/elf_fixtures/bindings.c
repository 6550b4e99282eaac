/* One symbol of every binding and visibility, and a use of each. */
int strong = 1;
__attribute__((weak)) int weak = 2;
__attribute__((visibility("protected"))) int protected_ = 3;
__attribute__((visibility("hidden"))) int hidden = 4;
int zero[16];
const int constant = 5;
int *const relocated = &strong;
extern int elsewhere;
extern __attribute__((weak)) int maybe;
int strong_function(void) { return strong; }
__attribute__((weak)) int weak_function(void) { return weak; }
__attribute__((visibility("hidden"))) int hidden_function(void) { return hidden; }
int other_function(void);
int uses(void) { return strong_function() + weak_function() + hidden_function() + other_function() + elsewhere + weak; }
int *address(void) { return &maybe; }
int (*pointers[3])(void) = {other_function, other_function, strong_function};
