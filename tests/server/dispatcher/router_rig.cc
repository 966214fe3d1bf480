#include "tests/server/dispatcher/router_rig.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/errors/errors.h"

namespace router {
namespace {

constexpr int kTurnsMax = 10000;

std::unique_ptr<ModeController> OpenMode(const std::string& dir, bool enabled, Clock* clock) {
  absl::StatusOr<std::unique_ptr<ModeController>> mode = ModeController::Open(
      {dir, enabled}, clock, [](const absl::Status& problem) { ADD_FAILURE() << problem; });
  if (!mode.ok()) {
    ADD_FAILURE() << mode.status();
    return nullptr;
  }
  return *std::move(mode);
}

}  // namespace

Call::Call(const std::vector<MessageSpec>& specs, FakeClock* clock, int* next_id)
    : PublishBatch(specs.size()), specs_(specs) {
  start_time = clock->SteadyNow();
  for (const MessageSpec& spec : specs_) {
    ids_.push_back(spec.caller_id.empty() ? absl::StrCat("made-", (*next_id)++) : spec.caller_id);
  }
  for (size_t i = 0; i < specs_.size(); ++i) {
    const MessageSpec& spec = specs_[i];
    Operation& operation = operations()[i];
    operation.message.subject = spec.subject;
    operation.message.payload = spec.payload;
    operation.message.headers = spec.headers;
    operation.message.message_id = ids_[i];
    operation.message.caller_chose_id = !spec.caller_id.empty();
    operation.message.guarantee = spec.guarantee;
    operation.ordering_key = spec.ordering_key.empty() ? spec.subject : spec.ordering_key;
    operation.key_hash = HashOrderingKey(operation.ordering_key);
    operation.size_bytes = OperationSize(operation.message, operation.ordering_key);
    operation.content_hash = HashContent(operation.message, operation.ordering_key);
    operation.accept_time = clock->WallNow();
    operation.expire_time = clock->WallNow() + spec.ttl;
    if (spec.valid) continue;
    operation.outcome = Outcome::kRejected;
    operation.status = error::SubjectInvalid(spec.subject, "a test says so");
  }
}

Outcome Call::outcome(size_t index) {
  EXPECT_LE(done_count_, 1) << "answered more than once";
  return done() ? operation(index).outcome : Outcome::kUnanswered;
}

std::string Call::reason(size_t index) { return error::ReasonOf(operation(index).status); }

void RecordingPublishObserver::OnPublish(absl::Span<const Operation> operations) {
  for (const Operation& operation : operations) asked += operation.was_asked ? 1 : 0;
}

void RecordingPublishObserver::OnAnswered(absl::Span<Operation* const> operations) {
  for (const Operation* operation : operations) {
    EXPECT_NE(operation->outcome, Outcome::kUnanswered);
    EXPECT_EQ(operation->outcome == Outcome::kRejected, !operation->status.ok());
    answered.push_back(operation->outcome);
  }
}

void RecordingPublishObserver::OnRedelivered(absl::Span<Operation* const> operations) {
  redelivered += static_cast<int64_t>(operations.size());
  for (const Operation* operation : operations) {
    if (operation->verdict == Verdict::kConfirmed) ++redelivered_confirmed;
  }
}

void RecordingPublishObserver::OnRemoved(int64_t count, RemovalCause cause) {
  if (cause == RemovalCause::kPurged) purged += count;
  if (cause == RemovalCause::kDroppedOldest) dropped_oldest += count;
  if (cause == RemovalCause::kDroppedAndKept) dropped_and_kept += count;
}

void RecordingPublishObserver::OnDrainEnded(int64_t succeeded, int64_t failed,
                                            absl::Duration duration) {
  ASSERT_FALSE(runs.empty());
  ASSERT_EQ(runs.back().succeeded, -1) << "ended twice";
  runs.back().succeeded = succeeded;
  runs.back().failed = failed;
  runs.back().duration = duration;
}

RouterRig::RouterRig(const RigOptions& options)
    : mode(OpenMode(folder.path(), options.fail_open, &clock)),
      transport(options.transport),
      queue(MemoryPendingQueue::Mode::kManual, options.contents, &clock),
      dispatcher(options.dispatcher, &clock, mode.get(), &transport, &queue,
                 options.publish_observer == nullptr ? &observer : options.publish_observer),
      drainer(options.drainer, &clock, &dispatcher, &queue,
              options.drain_observer == nullptr ? &observer : options.drain_observer) {
  EXPECT_TRUE(dispatcher.OpenQueue().ok());
  EXPECT_TRUE(dispatcher.Start(&drainer).ok());
}

RouterRig::~RouterRig() {
  dispatcher.StopAccepting();
  drainer.Stop();
  transport.Stop(absl::ZeroDuration());
  drainer.SettleRest();
  queue.Close();
  EXPECT_EQ(ledger().Unaccounted(), 0);
  for (Call& call : calls_) EXPECT_EQ(call.done_count(), 1) << "a caller was left without answer";
}

Call& RouterRig::PublishBatch(const std::vector<MessageSpec>& specs, absl::Duration timeout) {
  Call& call = calls_.emplace_back(specs, &clock, &next_id_);
  if (timeout != absl::InfiniteDuration()) {
    call.caller_deadline = clock.SteadyNow() + absl::ToChronoNanoseconds(timeout);
  }
  dispatcher.Publish(&call);
  return call;
}

std::vector<Call*> RouterRig::PublishTogether(const std::vector<MessageSpec>& specs) {
  std::vector<Call*> calls;
  std::vector<router::PublishBatch*> batches;
  for (const MessageSpec& spec : specs) {
    calls.push_back(&calls_.emplace_back(std::vector<MessageSpec>{spec}, &clock, &next_id_));
    batches.push_back(calls.back());
  }
  dispatcher.Publish(batches);
  return calls;
}

Call& RouterRig::Queue(const MessageSpec& spec) {
  Call& call = Publish(spec);
  queue.Flush();
  EXPECT_EQ(call.outcome(), Outcome::kQueued) << call.operation().status;
  return call;
}

void RouterRig::SetFailOpen(bool enabled) {
  ModeChange change;
  change.enabled = enabled;
  change.actor = "test";
  change.reason = "test";
  const absl::StatusOr<FailOpenState> changed = mode->Set(change);
  EXPECT_TRUE(changed.ok()) << changed.status();
}

void RouterRig::Turn() {
  queue.Flush();
  drainer.Step();
  transport.Pump();
}

bool RouterRig::Drain() {
  for (int turn = 0; turn < kTurnsMax; ++turn) {
    Turn();
    if (ledger().queued_count == 0 && ledger().appending_count == 0) {
      drainer.Step();
      queue.Flush();
      return queue.GetStats().count == 0;
    }
    clock.Advance(absl::Milliseconds(10));
    dispatcher.Tick();
  }
  return false;
}

std::vector<std::string> RouterRig::StoredPayloads() const {
  std::vector<std::string> payloads;
  for (const InprocStoredMessage& message : transport.Stored()) payloads.push_back(message.payload);
  return payloads;
}

std::vector<std::string> RouterRig::QueuedPayloads() {
  absl::StatusOr<std::vector<PendingRecord>> records = queue.Scan(0, 100000, true);
  return records.ok() ? PayloadsOf(*records) : std::vector<std::string>{};
}

}  // namespace router
