#include "server/metrics/process_metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace router {
namespace {

// Fields of /proc/self/stat, counted from the state, which is the first behind the name in brackets
// (the name itself may contain blanks).
enum StatField {
  kUserTicks = 11,
  kSystemTicks = 12,
  kThreads = 17,
  kStartTicks = 19,
  kVirtualBytes = 20,
  kResidentPages = 21,
};

std::string ReadWhole(const char* path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class Stat {
 public:
  Stat() : text_(ReadWhole("/proc/self/stat")) {
    const size_t name_end = text_.rfind(") ");
    if (name_end != std::string::npos) {
      fields_ = absl::StrSplit(absl::string_view(text_).substr(name_end + 2), ' ');
    }
  }

  double Get(StatField field) const {
    double value = 0;
    if (field < fields_.size() && absl::SimpleAtod(fields_[field], &value)) return value;
    return 0;
  }

 private:
  const std::string text_;
  std::vector<absl::string_view> fields_;
};

// Unix time at which the machine was started.
double BootTime() {
  const std::string text = ReadWhole("/proc/stat");
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    double value = 0;
    if (words.size() == 2 && words[0] == "btime" && absl::SimpleAtod(words[1], &value))
      return value;
  }
  return 0;
}

double OpenFileDescriptors() {
  DIR* const directory = opendir("/proc/self/fd");
  if (directory == nullptr) return 0;
  int count = 0;
  while (const dirent* entry = readdir(directory)) count += entry->d_name[0] != '.';
  closedir(directory);
  return count - 1;  // Without the one that was opened for counting.
}

double MaxFileDescriptors() {
  rlimit limit;
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<double>(limit.rlim_cur) : 0;
}

}  // namespace

void AddProcess(Exposition& out) {
  const double ticks_per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  const Stat stat;
  out.AddCounterValue("process_cpu_seconds_total", "User and system CPU time spent.",
                      (stat.Get(kUserTicks) + stat.Get(kSystemTicks)) / ticks_per_second);
  out.AddGauge("process_open_fds", "Open file descriptors.", OpenFileDescriptors());
  out.AddGauge("process_max_fds", "Most file descriptors that may be open.", MaxFileDescriptors());
  out.AddGauge("process_resident_memory_bytes", "Resident memory.",
               stat.Get(kResidentPages) * static_cast<double>(sysconf(_SC_PAGESIZE)));
  out.AddGauge("process_virtual_memory_bytes", "Virtual memory.", stat.Get(kVirtualBytes));
  out.AddGauge("process_start_time_seconds", "Unix time at which the process was started.",
               BootTime() + stat.Get(kStartTicks) / ticks_per_second);
  out.AddGauge("process_threads", "Threads.", stat.Get(kThreads));
}

}  // namespace router
