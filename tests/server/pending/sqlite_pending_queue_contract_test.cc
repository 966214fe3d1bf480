#include "server/pending/sqlite_pending_queue.h"
#include "tests/server/base/fake_clock.h"
#include "tests/server/pending/pending_queue_contract.h"

namespace router {
namespace {

class SqliteSubject : public PendingQueueSubject {
 public:
  std::unique_ptr<PendingQueue> NewQueue() override {
    SqlitePendingQueue::Options options;
    options.directory = folder_.path();
    options.min_free_disk_bytes = 0;
    options.clock = &clock_;
    options.on_error = [](absl::string_view op, const std::string& error) {
      ADD_FAILURE() << op << ": " << error;
    };
    return std::make_unique<SqlitePendingQueue>(options);
  }

 private:
  TemporaryFolder folder_;
  FakeClock clock_;
};

INSTANTIATE_TEST_SUITE_P(Sqlite, PendingQueueContract,
                         ::testing::Values([] { return std::make_unique<SqliteSubject>(); }));
INSTANTIATE_TEST_SUITE_P(Sqlite, PendingQueueDeadLetterContract,
                         ::testing::Values([] { return std::make_unique<SqliteSubject>(); }));

}  // namespace
}  // namespace router
