/* MODEL is one of the four TLS models; the variables are another object's and our own. */
extern __thread int other __attribute__((tls_model(MODEL)));
__thread int own __attribute__((tls_model(MODEL))) = 3;
__thread char buffer[100];
int *use_other(void) { return &other; }
int *use_own(void) { return &own; }
