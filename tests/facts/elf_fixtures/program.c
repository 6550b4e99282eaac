/* A program that is not position independent copies the library's data and takes its function's address. */
extern int strong;
int strong_function(void);
int main(void) { return strong + strong_function(); }
