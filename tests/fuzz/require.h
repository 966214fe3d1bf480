#ifndef ROUTER_TESTS_FUZZ_REQUIRE_H_
#define ROUTER_TESTS_FUZZ_REQUIRE_H_

#include <cstdio>
#include <cstdlib>

namespace router {

// Ends the process, which libFuzzer counts as a finding, unless `held`.
inline void Require(bool held, const char* what) {
  if (held) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

}  // namespace router

#endif  // ROUTER_TESTS_FUZZ_REQUIRE_H_
