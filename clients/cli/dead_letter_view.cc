#include "clients/cli/dead_letter_view.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "clients/cli/output.h"
#include "clients/cli/units.h"

namespace router::cli {
namespace {

std::string Age(const Invocation& invocation, const google::protobuf::Timestamp& time) {
  return HumanDuration(invocation.environment.now() - FromProto(time));
}

std::string TimeAndAge(const Invocation& invocation, const google::protobuf::Timestamp& time) {
  return absl::StrCat(HumanTime(FromProto(time)), " (", Age(invocation, time), " ago)");
}

}  // namespace

void PrintDeadLetters(const Invocation& invocation,
                      const google::protobuf::RepeatedPtrField<v1::DeadLetter>& dead_letters) {
  Table table({"ID", "SUBJECT", "MESSAGE ID", "KEY", "REASON", "DEAD FOR", "SIZE", "ATTEMPTS",
               "LAST ERROR"});
  for (const v1::DeadLetter& dead_letter : dead_letters) {
    table.AddRow({absl::StrCat(dead_letter.operation_id()), dead_letter.subject(),
                  dead_letter.message_id(), dead_letter.ordering_key(), dead_letter.reason(),
                  Age(invocation, dead_letter.dead_time()), HumanBytes(dead_letter.size_bytes()),
                  absl::StrCat(dead_letter.attempts()), dead_letter.last_error()});
  }
  table.Print(invocation.environment.out);
}

void PrintDeadLetter(const Invocation& invocation, const v1::DeadLetter& dead_letter) {
  PrintProperties(
      {
          {"Operation", absl::StrCat(dead_letter.operation_id())},
          {"Subject", Printable(dead_letter.subject())},
          {"Message id", Printable(dead_letter.message_id())},
          {"Ordering key", Printable(dead_letter.ordering_key())},
          {"Guarantee", ShortName(v1::Guarantee_Name(dead_letter.guarantee()), "GUARANTEE_")},
          {"Accepted", TimeAndAge(invocation, dead_letter.accept_time())},
          {"Expires",
           dead_letter.has_expire_time() ? HumanTime(FromProto(dead_letter.expire_time())) : ""},
          {"Size", HumanBytes(dead_letter.size_bytes())},
          {"Reason", Printable(dead_letter.reason())},
          {"Dead since", TimeAndAge(invocation, dead_letter.dead_time())},
          {"Attempts", absl::StrCat(dead_letter.attempts())},
          {"First error", Printable(dead_letter.first_error())},
          {"Last error", Printable(dead_letter.last_error())},
      },
      invocation.environment.out);
}

}  // namespace router::cli
