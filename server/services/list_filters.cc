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

absl::StatusOr<Filter> ParseAuditFilter(absl::string_view text) {
  return Parse(text, AuditFields());
}

bool AuditMatches(const Filter& filter, const AuditEvent& event) {
  return filter.Matches([&](size_t field) { return AuditFields()[field].value(event); });
}

}  // namespace router
