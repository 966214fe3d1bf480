// Settings of ThreadSanitizer for every program built with it.

extern "C" const char* __tsan_default_options() {
  // Abseil's own detector of lock cycles is the one that knows its mutexes.
  return "detect_deadlocks=0";
}

// Debian's gRPC and OpenSSL are compiled without ThreadSanitizer and hand memory from thread to
// thread by atomics that it does not see. What they do with memory by way of malloc, free,
// memcpy and system calls is therefore not looked at; what our code does always is.
extern "C" const char* __tsan_default_suppressions() {
  return "called_from_lib:libabsl_cord.so.20220623\n"
         "called_from_lib:libabsl_cord_internal.so.20220623\n"
         "called_from_lib:libabsl_graphcycles_internal.so.20220623\n"
         "called_from_lib:libabsl_random_internal_pool_urbg.so.20220623\n"
         "called_from_lib:libabsl_status.so.20220623\n"
         "called_from_lib:libabsl_strings.so.20220623\n"
         "called_from_lib:libcrypto.so.3\n"
         "called_from_lib:libgpr.so.29\n"
         "called_from_lib:libgrpc.so.29\n"
         "called_from_lib:libgrpc++.so.1.51\n"
         // Asks about a descriptor that its owner may have closed, and knows.
         "race:SocketNumber\n"
         // Made and deleted inside the library, of parts whose code is in its headers, too.
         "race:grpc::Server::SyncRequest\n"
         // The last step of a callback call is handed to gRPC's executor, inside the library.
         "race:ServerCallbackReaderWriterImpl::CallOnDone\n";
}
