// Settings of AddressSanitizer for every program built with it.

extern "C" const char* __asan_default_options() {
  // Memory is not used again until so much more was freed; with the usual 256 MB, tests that bound a
  // program's memory would see that.
  return "detect_stack_use_after_return=1:strict_string_checks=1:quarantine_size_mb=16";
}

// The resolver keeps the name of a host that was being looked up when the program ended.
extern "C" const char* __lsan_default_suppressions() { return "leak:libcares.so\n"; }
