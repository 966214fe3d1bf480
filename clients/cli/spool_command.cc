// Commands that look at the folder of a router that does not run. They connect to nothing.
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "clients/cli/commands.h"
#include "clients/cli/output.h"
#include "clients/cli/units.h"
#include "clients/cli/yaml.h"
#include "nlohmann/json.hpp"
#include "server/pending/pending_inspection.h"

namespace router::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kDetails[] =
    "Reads a folder that no router has open, and writes nothing there: the database and its log "
    "are copied\nto a temporary folder ($TMPDIR, or /tmp), which needs the room.";

absl::StatusOr<std::unique_ptr<PendingFolder>> CopyFolder(const Invocation& invocation) {
  const std::string directory = invocation.arguments.Get("pending_dir");
  if (directory.empty()) return UsageError("--pending_dir is missing");
  const std::string temporary = invocation.environment.variable("TMPDIR");
  return PendingFolder::Copy(directory, temporary.empty() ? "/tmp" : temporary);
}

// JSON of bytes that need not be UTF-8.
std::string Dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

Json ToJson(const PendingInspection& found) {
  Json json;
  json["records"] = found.records;
  json["record_bytes"] = found.record_bytes;
  json["first_sequence"] = found.first_sequence;
  json["last_sequence"] = found.last_sequence;
  json["gaps"] = found.gaps;
  json["dead_letters"] = found.dead_letters;
  json["damaged_rows"] = found.damaged_rows;
  json["set_aside"] = found.set_aside;
  json["problems"] = Json::array();
  for (const auto& [where, what] : found.problems) {
    json["problems"].push_back({{"where", where}, {"what", what}});
  }
  return json;
}

void PrintProblems(const PendingInspection& found, std::ostream& out) {
  Table table({"WHERE", "WHAT"});
  for (const auto& [where, what] : found.problems) table.AddRow({where, what});
  table.Print(out);
}

std::string Summary(const PendingInspection& found) {
  std::string text = absl::StrCat(
      found.problems.empty() ? "whole: " : "NOT WHOLE: ", HumanCount(found.records), " records, ",
      HumanBytes(found.record_bytes), ", the first ", found.first_sequence, ", the last given ",
      found.last_sequence, ", ", HumanCount(found.dead_letters), " dead letters");
  if (found.damaged_rows > 0) {
    absl::StrAppend(&text, ", ", HumanCount(found.damaged_rows), " set aside as damaged");
  }
  if (!found.set_aside.empty()) {
    absl::StrAppend(&text, ", files set aside: ", absl::StrJoin(found.set_aside, ", "));
  }
  return Printable(text);
}

absl::StatusOr<ExitCode> RunVerify(const Invocation& invocation) {
  const auto folder = CopyFolder(invocation);
  if (!folder.ok()) return folder.status();
  const PendingInspection found = (*folder)->Verify();
  std::ostream& out = invocation.environment.out;
  switch (invocation.options.format) {
    case OutputFormat::kJson:
      out << Dump(ToJson(found), 2) << "\n";
      break;
    case OutputFormat::kYaml:
      out << JsonToYaml(Dump(ToJson(found), 2));
      break;
    case OutputFormat::kTable:
      if (!found.problems.empty()) PrintProblems(found, out);
      invocation.environment.err << Summary(found) << "\n";
      break;
  }
  return found.problems.empty() ? ExitCode::kOk : ExitCode::kError;
}

std::string JsonTime(absl::Time time) {
  return absl::FormatTime(absl::RFC3339_full, time, absl::UTCTimeZone());
}

Json ToJson(const PendingRecord& record, bool with_payload) {
  Json json;
  json["sequence"] = record.sequence;
  json["subject"] = record.subject;
  json["message_id"] = record.message_id;
  json["caller_chose_id"] = record.caller_chose_id;
  json["ordering_key"] = record.ordering_key;
  json["guarantee"] = record.guarantee == Guarantee::kReceived ? "received" : "stored";
  json["accept_time"] = JsonTime(record.accept_time);
  if (record.expire_time != absl::InfiniteFuture()) {
    json["expire_time"] = JsonTime(record.expire_time);
  }
  json["size_bytes"] = record.size_bytes;
  json["headers"] = Json::object();
  for (const auto& [key, value] : record.headers) json["headers"][key] = value;
  if (with_payload) json["payload"] = absl::Base64Escape(record.payload);
  return json;
}

absl::StatusOr<ExitCode> RunDump(const Invocation& invocation) {
  const auto folder = CopyFolder(invocation);
  if (!folder.ok()) return folder.status();
  const bool with_payload = invocation.arguments.Has("payload");
  std::ostream& out = invocation.environment.out;
  int64_t count = 0;
  const absl::StatusOr<int64_t> damaged = (*folder)->ForEach([&](const PendingRecord& record) {
    ++count;
    out << Dump(ToJson(record, with_payload), -1) << "\n";
    return out.good() ? absl::OkStatus() : absl::UnknownError("cannot write to stdout");
  });
  if (!damaged.ok()) return damaged.status();
  invocation.environment.err << HumanCount(count) << " records\n";
  if (*damaged == 0) return ExitCode::kOk;
  invocation.environment.err << HumanCount(*damaged)
                             << " damaged records were left out; see routerctl spool verify\n";
  return ExitCode::kError;
}

}  // namespace

std::vector<Command> SpoolCommands() {
  const Flag folder = {"pending_dir", "DIR", "the folder, as the router's setting of this name",
                       ""};
  Command verify;
  verify.path = "spool verify";
  verify.summary = "Checks the pending queue on disk of a router that does not run";
  verify.details = absl::StrCat(kDetails,
                                "\nEnds with 0 where the queue is whole, else with 1 and a table "
                                "of what is wrong.");
  verify.flags = {folder};
  verify.examples = {"routerctl spool verify --pending_dir /var/lib/router"};
  verify.run = RunVerify;

  Command dump;
  dump.path = "spool dump";
  dump.summary = "Prints the pending queue on disk of a router that does not run";
  dump.details = absl::StrCat(kDetails,
                              "\nOne JSON object a line, in the order of delivery. Damaged records "
                              "are left out; then it ends with 1.");
  dump.flags = {folder, {"payload", "", "with the payloads, in base64", ""}};
  dump.examples = {"routerctl spool dump --pending_dir /var/lib/router",
                   "routerctl spool dump --pending_dir DIR --payload | jq -r .payload"};
  dump.run = RunDump;
  return {verify, dump};
}

}  // namespace router::cli
