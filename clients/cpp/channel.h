// A gRPC channel to one or several routers, with the settings that publishing needs.
#ifndef ROUTER_CLIENTS_CPP_CHANNEL_H_
#define ROUTER_CLIENTS_CPP_CHANNEL_H_

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "grpcpp/security/credentials.h"

namespace router::client {

struct ChannelOptions {
  // A gRPC target. Several routers: `dns:///routers.example:50051` with one address each, or
  // `ipv4:10.0.0.1:50051,10.0.0.2:50051`; unary calls go to all of them in turn.
  std::string target = "127.0.0.1:50051";
  // Null: no TLS. From files: MakeCredentials in credentials.h.
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  // With TLS: the name that the router's certificate must bear; empty: the host of the target.
  std::string tls_server_name;

  // A dead connection is noticed after at most the sum of both. The router allows pings this often.
  absl::Duration keepalive_interval = absl::Seconds(30);
  absl::Duration keepalive_timeout = absl::Seconds(10);

  // An attempt to connect is given up after this.
  absl::Duration connect_timeout = absl::Seconds(5);
  // Between two attempts to connect; grows from the first to the second.
  absl::Duration connect_backoff_min = absl::Milliseconds(100);
  absl::Duration connect_backoff_max = absl::Seconds(5);

  // Most attempts of one Publish or PublishBatch call, 1 to 5. Only UNAVAILABLE is tried again,
  // inside the call's deadline, with the same message ids. Streams are never retried by the
  // channel.
  int attempts_max = 5;
  // Calls up to this size can be tried again; each one in flight is kept in memory for that.
  int retry_buffer_bytes = 8 << 20;
};

// Connects lazily: the channel is made without anybody being there.
std::shared_ptr<grpc::Channel> MakeChannel(const ChannelOptions& options);

// The gRPC service config that MakeChannel uses, for those who make their channels themselves.
std::string ServiceConfigJson(const ChannelOptions& options);

}  // namespace router::client

#endif  // ROUTER_CLIENTS_CPP_CHANNEL_H_
