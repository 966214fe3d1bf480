#include "transports/factory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "transports/inproc/inproc_transport.h"
#include "transports/nats/nats_transport.h"
#include "transports/testing/recording_observer.h"

namespace router {
namespace {

using ::testing::HasSubstr;

TEST(FactoryTest, CreatesTheTransportOfThatName) {
  TransportOptions options;
  options.name = "inproc";
  options.inproc.max_in_flight = 7;
  auto inproc = CreateTransport(options, nullptr);
  ASSERT_TRUE(inproc.ok()) << inproc.status();
  EXPECT_NE(dynamic_cast<InprocTransport*>(inproc->get()), nullptr);
  EXPECT_EQ((*inproc)->max_in_flight(), 7);

  options.name = "nats";
  auto nats = CreateTransport(options, nullptr);
  ASSERT_TRUE(nats.ok()) << nats.status();
  EXPECT_NE(dynamic_cast<NatsTransport*>(nats->get()), nullptr);
}

TEST(FactoryTest, IsNatsUnlessSaidOtherwise) {
  auto transport = CreateTransport(TransportOptions(), nullptr);
  ASSERT_TRUE(transport.ok()) << transport.status();
  EXPECT_NE(dynamic_cast<NatsTransport*>(transport->get()), nullptr);
}

TEST(FactoryTest, RefusesAnUnknownNameAndListsTheKnownOnes) {
  TransportOptions options;
  options.name = "kafka";
  const absl::Status status = CreateTransport(options, nullptr).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("\"kafka\""));
  for (absl::string_view name : TransportNames()) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(std::string(name)));
    options.name = std::string(name);
    EXPECT_TRUE(CreateTransport(options, nullptr).ok()) << name;
  }
}

TEST(FactoryTest, HandsTheFaultInjectorOn) {
  FaultInjector faults;
  Fault fault;
  fault.operation = FaultOperation::kConnect;
  fault.remaining = 1;
  faults.Set(fault);
  TransportOptions options;
  options.name = "inproc";
  auto transport = CreateTransport(options, &faults);
  ASSERT_TRUE(transport.ok()) << transport.status();

  RecordingObserver observer;
  ASSERT_TRUE((*transport)->Start(&observer).ok());
  EXPECT_TRUE(observer.WaitForEpoch(1));
  EXPECT_TRUE(faults.List().empty()) << "the fault was not drawn";
  (*transport)->Stop(absl::ZeroDuration());
}

}  // namespace
}  // namespace router
