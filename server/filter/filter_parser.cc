#include "server/filter/filter_parser.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "server/errors/errors.h"

namespace router {
namespace {

constexpr absl::string_view kAnd = "AND";

bool IsNameChar(char c) { return absl::ascii_isalnum(c) || c == '_'; }
bool IsOperatorChar(char c) { return c == '=' || c == '!' || c == '<' || c == '>' || c == ':'; }

std::string KnownFields(absl::Span<const FilterField> fields) {
  return absl::StrJoin(fields, ", ", [](std::string* out, const FilterField& field) {
    absl::StrAppend(out, field.name);
  });
}

}  // namespace

absl::StatusOr<Filter> FilterParser::Parse() {
  if (text_.size() > kFilterBytesMax) {
    return ErrorAt(kFilterBytesMax,
                   absl::StrCat("a filter may have at most ", kFilterBytesMax, " bytes"));
  }
  Filter filter;
  if (absl::string_view all = absl::StripAsciiWhitespace(text_); all.empty() || all == "*") {
    return filter;
  }
  SkipSpace();
  while (true) {
    if (filter.conditions_.size() == kFilterConditionsMax) {
      return ErrorAt(
          offset_, absl::StrCat("a filter may have at most ", kFilterConditionsMax, " conditions"));
    }
    Condition condition;
    if (absl::Status status = ParseCondition(&condition); !status.ok()) return status;
    filter.conditions_.push_back(std::move(condition));
    SkipSpace();
    if (AtEnd()) return filter;
    if (absl::Status status = ParseAnd(); !status.ok()) return status;
  }
}

absl::Status FilterParser::ParseCondition(Condition* condition) {
  if (absl::Status status = ParseField(condition); !status.ok()) return status;
  SkipSpace();
  if (absl::Status status = ParseOperator(condition); !status.ok()) return status;
  SkipSpace();
  return ParseValue(condition);
}

absl::Status FilterParser::ParseAnd() {
  const absl::string_view word = PeekName();
  if (word != kAnd) {
    return ErrorAt(offset_,
                   "expected `AND` (in capitals) or the end; a value with white space in it "
                   "stands in double quotes");
  }
  offset_ += word.size();
  SkipSpace();
  return absl::OkStatus();
}

absl::Status FilterParser::ParseField(Condition* condition) {
  const absl::string_view name = PeekName();
  const auto field = std::find_if(fields_.begin(), fields_.end(),
                                  [&](const FilterField& known) { return known.name == name; });
  if (field == fields_.end()) {
    if (text_[AtEnd() ? 0 : offset_] == '*' && !AtEnd()) {
      return ErrorAt(offset_, "`*` stands alone: it means everything");
    }
    return ErrorAt(offset_,
                   absl::StrCat(name.empty() ? std::string("expected a field")
                                             : absl::StrCat("there is no field `",
                                                            error::Printable(name, 64), "`"),
                                "; the fields are ", KnownFields(fields_)));
  }
  offset_ += name.size();
  condition->field = static_cast<size_t>(field - fields_.begin());
  return absl::OkStatus();
}

absl::Status FilterParser::ParseOperator(Condition* condition) {
  const size_t start = offset_;
  size_t end = offset_;
  while (end < text_.size() && IsOperatorChar(text_[end])) ++end;
  const absl::string_view op = text_.substr(start, end - start);
  if (op == "=") {
    condition->op = Operator::kEqual;
  } else if (op == "!=") {
    condition->op = Operator::kNotEqual;
  } else if (op == "<") {
    condition->op = Operator::kLess;
  } else if (op == ">") {
    condition->op = Operator::kGreater;
  } else if (op == ":") {
    condition->op = Operator::kContains;
  } else {
    return ErrorAt(start, "expected one of `=`, `!=`, `<`, `>` and `:` (contains)");
  }
  const FilterField& field = fields_[condition->field];
  const bool is_ordered = condition->op == Operator::kLess || condition->op == Operator::kGreater;
  if (condition->op == Operator::kContains && field.type != FilterType::kString) {
    return ErrorAt(start,
                   absl::StrCat("`:` (contains) is for text, and `", field.name, "` is none"));
  }
  if (is_ordered && field.type == FilterType::kEnum) {
    return ErrorAt(start, absl::StrCat("`", field.name, "` has no order: use `=` or `!=`"));
  }
  offset_ = end;
  return absl::OkStatus();
}

absl::Status FilterParser::ParseValue(Condition* condition) {
  const size_t start = offset_;
  std::string value;
  absl::Status status = Peek() == '"' ? ParseQuoted(&value) : ParseWord(&value);
  if (!status.ok()) return status;
  return Convert(std::move(value), start, condition);
}

absl::Status FilterParser::ParseQuoted(std::string* value) {
  const size_t start = offset_++;
  while (!AtEnd() && Peek() != '"') {
    if (Peek() == '\\') {
      ++offset_;
      if (Peek() != '"' && Peek() != '\\') {
        return ErrorAt(offset_ - 1, "in a quoted value, `\\` stands before `\"` or `\\` only");
      }
    }
    value->push_back(text_[offset_++]);
  }
  if (AtEnd()) return ErrorAt(start, "this quoted value has no end");
  ++offset_;
  if (!AtEnd() && !absl::ascii_isspace(Peek())) {
    return ErrorAt(offset_, "expected white space after the quoted value");
  }
  return absl::OkStatus();
}

absl::Status FilterParser::ParseWord(std::string* value) {
  const size_t start = offset_;
  while (!AtEnd() && !absl::ascii_isspace(Peek())) {
    if (Peek() == '"') {
      return ErrorAt(offset_,
                     "a value with quotes in it stands in double quotes, each of its own "
                     "written as `\\\"`");
    }
    ++offset_;
  }
  *value = std::string(text_.substr(start, offset_ - start));
  if (value->empty() || *value == kAnd) {
    return ErrorAt(start, "expected a value; the empty one is `\"\"`");
  }
  return absl::OkStatus();
}

absl::Status FilterParser::Convert(std::string value, size_t start, Condition* condition) const {
  const FilterField& field = fields_[condition->field];
  switch (field.type) {
    case FilterType::kString:
      break;
    case FilterType::kInt: {
      int64_t number;
      if (!absl::SimpleAtoi(value, &number)) {
        return ErrorAt(start, absl::StrCat("`", field.name, "` is a whole number of 64 bits"));
      }
      condition->value = number;
      return absl::OkStatus();
    }
    case FilterType::kTime: {
      absl::Time time;
      std::string why;
      if (!absl::ParseTime(absl::RFC3339_full, value, &time, &why)) {
        return ErrorAt(start, absl::StrCat("`", field.name,
                                           "` is a time, written as in 2026-01-31T23:59:59Z"));
      }
      condition->value = time;
      return absl::OkStatus();
    }
    case FilterType::kEnum:
      if (std::find(field.enum_values.begin(), field.enum_values.end(), value) ==
          field.enum_values.end()) {
        return ErrorAt(start, absl::StrCat("`", field.name, "` is one of ",
                                           absl::StrJoin(field.enum_values, ", ")));
      }
      break;
  }
  condition->value = std::move(value);
  return absl::OkStatus();
}

absl::Status FilterParser::ErrorAt(size_t offset, absl::string_view why) const {
  // Columns are for people, who count characters: all bytes but the continuations of UTF-8.
  const absl::string_view before = text_.substr(0, offset);
  const auto characters = std::count_if(before.begin(), before.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  });
  return error::FilterInvalid(characters + 1, why);
}

void FilterParser::SkipSpace() {
  while (!AtEnd() && absl::ascii_isspace(Peek())) ++offset_;
}

absl::string_view FilterParser::PeekName() const {
  size_t end = offset_;
  while (end < text_.size() && IsNameChar(text_[end])) ++end;
  return text_.substr(offset_, end - offset_);
}

}  // namespace router
