#include "server/services/list_filters.h"

#include <cstddef>
#include <string>
#include <vector>

namespace router {
namespace {

// A field and how to read it off a T.
template <typename T>
struct ListField {
  FilterField field;
  FilterValue (*value)(const T&);
};

absl::string_view GuaranteeText(Guarantee guarantee) {
  return guarantee == Guarantee::kStored ? "GUARANTEE_STORED" : "GUARANTEE_RECEIVED";
}

const std::vector<ListField<PendingRecord>>& PendingFields() {
  static const auto& fields = *new std::vector<ListField<PendingRecord>>{
      {{"operation_id", FilterType::kInt, {}},
       [](const PendingRecord& r) -> FilterValue { return static_cast<int64_t>(r.sequence); }},
      {{"message_id", FilterType::kString, {}},
       [](const PendingRecord& r) -> FilterValue { return absl::string_view(r.message_id); }},
      {{"subject", FilterType::kString, {}},
       [](const PendingRecord& r) -> FilterValue { return absl::string_view(r.subject); }},
      {{"ordering_key", FilterType::kString, {}},
       [](const PendingRecord& r) -> FilterValue { return absl::string_view(r.ordering_key); }},
      {{"guarantee", FilterType::kEnum, {"GUARANTEE_STORED", "GUARANTEE_RECEIVED"}},
       [](const PendingRecord& r) -> FilterValue { return GuaranteeText(r.guarantee); }},
      {{"accept_time", FilterType::kTime, {}},
       [](const PendingRecord& r) -> FilterValue { return r.accept_time; }},
      {{"size_bytes", FilterType::kInt, {}},
       [](const PendingRecord& r) -> FilterValue { return r.size_bytes; }},
  };
  return fields;
}

// Beside those of the record.
const std::vector<ListField<DeadLetter>>& DeadLetterFields() {
  static const auto& fields = *new std::vector<ListField<DeadLetter>>{
      {{"reason", FilterType::kEnum, {kDeadLetterLabels.begin(), kDeadLetterLabels.end()}},
       [](const DeadLetter& d) -> FilterValue { return absl::string_view(d.reason.reason); }},
      {{"attempts", FilterType::kInt, {}},
       [](const DeadLetter& d) -> FilterValue { return d.reason.attempts; }},
      {{"first_error", FilterType::kString, {}},
       [](const DeadLetter& d) -> FilterValue { return absl::string_view(d.reason.first_error); }},
      {{"last_error", FilterType::kString, {}},
       [](const DeadLetter& d) -> FilterValue { return absl::string_view(d.reason.error); }},
      {{"dead_time", FilterType::kTime, {}},
       [](const DeadLetter& d) -> FilterValue { return d.dead_time; }},
  };
  return fields;
}

const std::vector<ListField<AuditEvent>>& AuditFields() {
  static const auto& fields = *new std::vector<ListField<AuditEvent>>{
      {{"id", FilterType::kString, {}},
       [](const AuditEvent& e) -> FilterValue { return absl::string_view(e.id); }},
      {{"time", FilterType::kTime, {}}, [](const AuditEvent& e) -> FilterValue { return e.time; }},
      {{"actor", FilterType::kString, {}},
       [](const AuditEvent& e) -> FilterValue { return absl::string_view(e.actor); }},
      {{"method", FilterType::kString, {}},
       [](const AuditEvent& e) -> FilterValue { return absl::string_view(e.method); }},
      {{"reason", FilterType::kString, {}},
       [](const AuditEvent& e) -> FilterValue { return absl::string_view(e.reason); }},
      {{"outcome", FilterType::kString, {}},
       [](const AuditEvent& e) -> FilterValue { return absl::string_view(e.outcome); }},
      {{"request_id", FilterType::kString, {}},
       [](const AuditEvent& e) -> FilterValue { return absl::string_view(e.request_id); }},
  };
  return fields;
}

template <typename T>
absl::StatusOr<Filter> Parse(absl::string_view text, const std::vector<ListField<T>>& list_fields) {
  std::vector<FilterField> fields;
  for (const ListField<T>& list_field : list_fields) fields.push_back(list_field.field);
  return Filter::Parse(text, fields);
}

}  // namespace

absl::StatusOr<Filter> ParsePendingFilter(absl::string_view text) {
  return Parse(text, PendingFields());
}

bool PendingMatches(const Filter& filter, const PendingRecord& record) {
  return filter.Matches([&](size_t field) { return PendingFields()[field].value(record); });
}

absl::StatusOr<Filter> ParseDeadLetterFilter(absl::string_view text) {
  std::vector<FilterField> fields;
  for (const ListField<PendingRecord>& field : PendingFields()) fields.push_back(field.field);
  for (const ListField<DeadLetter>& field : DeadLetterFields()) fields.push_back(field.field);
  return Filter::Parse(text, fields);
}

bool DeadLetterMatches(const Filter& filter, const DeadLetter& dead_letter) {
  return filter.Matches([&](size_t field) {
    const size_t of_record = PendingFields().size();
    return field < of_record ? PendingFields()[field].value(dead_letter.record)
                             : DeadLetterFields()[field - of_record].value(dead_letter);
  });
}

absl::StatusOr<Filter> ParseAuditFilter(absl::string_view text) {
  return Parse(text, AuditFields());
}

bool AuditMatches(const Filter& filter, const AuditEvent& event) {
  return filter.Matches([&](size_t field) { return AuditFields()[field].value(event); });
}

}  // namespace router
