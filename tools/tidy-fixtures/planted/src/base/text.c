/* text.c - the ways a line can be wrong. */
int a;	
int b; 
/* TODO: later */
/* FIXME */ /* XXX */
int c;