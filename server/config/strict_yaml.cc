#include "server/config/strict_yaml.h"

#include <set>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "yaml-cpp/eventhandler.h"

namespace router {
namespace {

// Where a document starts.
class DocumentStart final : public YAML::EventHandler {
 public:
  const YAML::Mark& mark() const { return mark_; }

  void OnDocumentStart(const YAML::Mark& mark) override { mark_ = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

 private:
  YAML::Mark mark_;
};

}  // namespace

void StrictYaml::Read(const std::string& text,
                      absl::FunctionRef<void(const YAML::Node& top)> read) {
  try {
    CheckDocuments(text);
    read(YAML::Load(text));
  } catch (const YAML::Exception& error) {
    // It may name an anchor or a tag.
    Error(error.mark, is_secret_ ? "not YAML" : absl::StrCat("not YAML: ", error.msg));
  }
}

// YAML::LoadAll finds ever more documents where one begins with a comma.
void StrictYaml::CheckDocuments(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  DocumentStart first, second;
  if (!parser.HandleNextDocument(first) || !parser.HandleNextDocument(second)) return;
  Error(second.mark(), second.mark().pos == first.mark().pos
                           ? "not YAML: nothing begins like this"
                           : "a second document; the file must have one");
}

void StrictYaml::ForEachEntry(const YAML::Node& map, EntryVisitor visit) {
  std::set<std::string> seen;
  for (const auto& entry : map) {
    if (!entry.first.IsScalar()) {
      Error(entry.first.Mark(), "a key must be the name of a setting or of a section");
    } else if (!seen.insert(entry.first.Scalar()).second) {
      Error(entry.first.Mark(),
            is_secret_ ? "a key that is there twice"
                       : absl::StrCat("\"", entry.first.Scalar(), "\" is there twice"));
    } else {
      visit(entry.first.Scalar(), entry.first, entry.second);
    }
  }
}

std::string StrictYaml::PlaceOf(const YAML::Mark& mark) const {
  if (mark.is_null()) return path_;
  return absl::StrCat(path_, ":", mark.line + 1, ":", mark.column + 1);
}

void StrictYaml::Error(const YAML::Mark& mark, absl::string_view problem) {
  errors_.push_back(absl::StrCat(PlaceOf(mark), ": ", problem));
}

}  // namespace router
