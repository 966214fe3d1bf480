#include "clients/cli/pending_view.h"

#include <algorithm>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "clients/cli/output.h"
#include "clients/cli/units.h"

namespace router::cli {
namespace {

std::string GuaranteeName(v1::Guarantee guarantee) {
  return ShortName(v1::Guarantee_Name(guarantee), "GUARANTEE_");
}

std::string Age(const Invocation& invocation, const v1::PendingOperation& operation) {
  if (!operation.has_accept_time()) return "";
  return HumanDuration(invocation.environment.now() - FromProto(operation.accept_time()));
}

bool IsText(const std::string& bytes) {
  return std::all_of(bytes.begin(), bytes.end(),
                     [](unsigned char c) { return c >= 0x20 ? c < 0x7F : c == '\n' || c == '\t'; });
}

}  // namespace

void PrintOperations(const Invocation& invocation,
                     const google::protobuf::RepeatedPtrField<v1::PendingOperation>& operations) {
  Table table({"ID", "SUBJECT", "MESSAGE ID", "KEY", "GUARANTEE", "AGE", "SIZE", "STATE",
               "ATTEMPTS", "LAST ERROR"});
  for (const v1::PendingOperation& operation : operations) {
    table.AddRow(
        {absl::StrCat(operation.operation_id()), operation.subject(), operation.message_id(),
         operation.ordering_key(), GuaranteeName(operation.guarantee()), Age(invocation, operation),
         HumanBytes(operation.size_bytes()), operation.in_flight() ? "in flight" : "waiting",
         absl::StrCat(operation.attempts()), operation.last_error()});
  }
  table.Print(invocation.environment.out);
}

void PrintOperation(const Invocation& invocation, const v1::PendingOperation& operation) {
  PrintProperties(
      {
          {"Operation", absl::StrCat(operation.operation_id())},
          {"Subject", Printable(operation.subject())},
          {"Message id", Printable(operation.message_id())},
          {"Ordering key", Printable(operation.ordering_key())},
          {"Guarantee", GuaranteeName(operation.guarantee())},
          {"Accepted", operation.has_accept_time()
                           ? absl::StrCat(HumanTime(FromProto(operation.accept_time())), " (",
                                          Age(invocation, operation), " ago)")
                           : ""},
          {"Expires",
           operation.has_expire_time() ? HumanTime(FromProto(operation.expire_time())) : ""},
          {"Size", HumanBytes(operation.size_bytes())},
          {"State", operation.in_flight() ? "in flight" : "waiting"},
          {"Attempts", absl::StrCat(operation.attempts())},
          {"Last error", Printable(operation.last_error())},
      },
      invocation.environment.out);
}

void PrintContent(const Invocation& invocation,
                  const google::protobuf::Map<std::string, std::string>& headers,
                  const std::string& payload) {
  std::ostream& out = invocation.environment.out;
  const std::map<std::string, std::string> sorted(headers.begin(), headers.end());
  for (const auto& [key, value] : sorted) {
    out << "Header        " << Printable(key) << ": " << Printable(value) << "\n";
  }
  out << "Payload       " << HumanBytes(static_cast<int64_t>(payload.size())) << "\n\n";
  if (IsText(payload)) {
    out << payload << (payload.empty() || payload.back() == '\n' ? "" : "\n");
  } else {
    out << HexDump(payload);
  }
}

std::string HexDump(const std::string& bytes) {
  constexpr size_t kPerLine = 16;
  std::string dump;
  for (size_t start = 0; start < bytes.size(); start += kPerLine) {
    std::string hex;
    std::string text;
    for (size_t i = start; i < std::min(start + kPerLine, bytes.size()); ++i) {
      const auto byte = static_cast<unsigned char>(bytes[i]);
      absl::StrAppendFormat(&hex, "%02x ", byte);
      text.push_back(absl::ascii_isprint(byte) ? bytes[i] : '.');
    }
    absl::StrAppendFormat(&dump, "%08x  %-48s |%s|\n", start, hex, text);
  }
  return dump;
}

}  // namespace router::cli
