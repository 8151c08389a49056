//! The virtual machine: which kernel, with what in it, and how it is started.
