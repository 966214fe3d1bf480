#ifndef ROUTER_TESTS_SIMULATION_DRAW_H_
#define ROUTER_TESTS_SIMULATION_DRAW_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace router {

// Pseudo-random numbers (splitmix64): the same seed gives the same numbers on every machine.
class Draw {
 public:
  explicit Draw(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t mixed = (state_ += 0x9e3779b97f4a7c15u);
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
  }

  // From 0 to `bound` - 1; `bound` is at least 1.
  int Below(size_t bound) { return static_cast<int>(Next() % bound); }
  bool Chance(int percent) { return Below(100) < percent; }
  int64_t Pick(std::initializer_list<int64_t> values) {
    return values.begin()[Below(values.size())];
  }

 private:
  uint64_t state_;
};

}  // namespace router

#endif  // ROUTER_TESTS_SIMULATION_DRAW_H_
