#ifndef ROUTER_TESTS_SIMULATION_TRACE_H_
#define ROUTER_TESTS_SIMULATION_TRACE_H_

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace router {

// What happened in a run, one line a step. Costs nothing while it is off: callers ask on() before
// they put a text together.
class Trace {
 public:
  explicit Trace(bool on) : on_(on) {}

  bool on() const { return on_; }
  const std::vector<std::string>& lines() const { return lines_; }

  void BeginLine(std::string start) { lines_.push_back(std::move(start)); }
  // Adds to the line of the present step.
  void Note(absl::string_view text) {
    if (lines_.empty()) lines_.emplace_back();
    absl::StrAppend(&lines_.back(), " ", text);
  }

 private:
  const bool on_;
  std::vector<std::string> lines_;
};

}  // namespace router

#endif  // ROUTER_TESTS_SIMULATION_TRACE_H_
