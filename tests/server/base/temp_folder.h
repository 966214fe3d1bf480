#ifndef ROUTER_TESTS_SERVER_BASE_TEMP_FOLDER_H_
#define ROUTER_TESTS_SERVER_BASE_TEMP_FOLDER_H_

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "gtest/gtest.h"

namespace router {

// A new, empty folder that goes with the object, with all that is in it.
class TempFolder {
 public:
  TempFolder() : path_(::testing::TempDir() + "/router_XXXXXX") {
    if (mkdtemp(&path_[0]) == nullptr) abort();
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

  bool Has(const std::string& name) const { return std::filesystem::exists(File(name)); }

  std::string Read(const std::string& name) const {
    std::ostringstream content;
    content << std::ifstream(File(name), std::ios::binary).rdbuf();
    return content.str();
  }

  void Write(const std::string& name, const std::string& content) const {
    std::ofstream(File(name), std::ios::binary | std::ios::trunc) << content;
  }

 private:
  std::string path_;
};

}  // namespace router

#endif  // ROUTER_TESTS_SERVER_BASE_TEMP_FOLDER_H_
