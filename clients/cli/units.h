// Numbers, times and text for people.
#ifndef ROUTER_CLIENTS_CLI_UNITS_H_
#define ROUTER_CLIENTS_CLI_UNITS_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace router::cli {

std::string HumanBytes(int64_t bytes);               // 1.2 MiB
std::string HumanCount(int64_t count);               // 12,345
std::string HumanDuration(absl::Duration duration);  // 3m12s, 2d4h, 250ms
std::string HumanTime(absl::Time time);              // 2026-01-31T12:00:00Z

absl::Duration FromProto(const google::protobuf::Duration& duration);
absl::Time FromProto(const google::protobuf::Timestamp& timestamp);
google::protobuf::Duration ToProto(absl::Duration duration);
google::protobuf::Timestamp ToProto(absl::Time time);

// `text` without control characters, which could make a terminal do things: they become \xNN.
std::string Printable(const std::string& text);
// Letters of UTF-8 text, which is how wide a terminal shows it.
size_t DisplayWidth(const std::string& text);

}  // namespace router::cli

#endif  // ROUTER_CLIENTS_CLI_UNITS_H_
