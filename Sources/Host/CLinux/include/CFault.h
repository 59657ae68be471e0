#ifndef PHOTOFINISH_C_FAULT_H
#define PHOTOFINISH_C_FAULT_H

// A fault of our own (a trap, an access to what is not there) ends the process. From now on it says so on standard error
// first: which signal, which thread, and where in the program. What has a handler already keeps it.
void pf_name_faults(const char *version);

#endif
