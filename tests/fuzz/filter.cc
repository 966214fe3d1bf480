// The input as a filter, held against some values. `F AND F` matches what F matches.
#include "server/filter/filter.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tests/fuzz/require.h"

namespace router {
namespace {

const std::vector<FilterField>& Fields() {
  static const auto* const kFields = new std::vector<FilterField>{
      {"subject", FilterType::kString, {}},
      {"size_bytes", FilterType::kInt, {}},
      {"accept_time", FilterType::kTime, {}},
      {"guarantee", FilterType::kEnum, {"STORED", "RECEIVED"}},
  };
  return *kFields;
}

FilterValue ValueOf(size_t field) {
  switch (field) {
    case 0:
      return absl::string_view("orders.eu");
    case 1:
      return int64_t{1024};
    case 2:
      return absl::FromUnixSeconds(1767225600);
    default:
      Require(field < Fields().size(), "a field that there is");
      return absl::string_view("STORED");
  }
}

void Fuzz(absl::string_view text) {
  const absl::StatusOr<Filter> filter = Filter::Parse(text, Fields());
  if (!filter.ok()) {
    Require(!filter.status().message().empty(), "an error says what is wrong");
    return;
  }
  Require(text.size() <= kFilterBytesMax, "the length of a filter");
  const bool matches = filter->Matches(ValueOf);
  if (filter->matches_everything()) {
    Require(matches, "what matches everything matches");
    return;
  }
  const absl::StatusOr<Filter> twice = Filter::Parse(absl::StrCat(text, " AND ", text), Fields());
  if (twice.ok()) Require(twice->Matches(ValueOf) == matches, "twice is as good as once");
}

}  // namespace
}  // namespace router

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  router::Fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}
