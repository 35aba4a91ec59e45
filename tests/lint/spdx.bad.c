/* no licence line */
/* lint-as: src/base/sample.c */
int f(void);
