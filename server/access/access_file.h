#ifndef ROUTER_SERVER_ACCESS_ACCESS_FILE_H_
#define ROUTER_SERVER_ACCESS_ACCESS_FILE_H_

#include <string>
#include <vector>

#include "server/access/access_policy.h"

namespace router {

// Longest name of an identity, in bytes.
inline constexpr size_t kIdentityBytesMax = 255;

// Whether `name` can be an identity, or the part of one behind its prefix: 1 to kIdentityBytesMax
// printable ASCII characters without space.
bool IsIdentityName(absl::string_view name);

// Reads the text of an access file:
//
//   identities:
//     - name: cert:spiffe://example.org/orders
//       roles: [publisher]
//       publish: [orders.>]
//
// Returns everything that is wrong, each with its place; `*policy` is of use only where nothing is.
std::vector<std::string> ReadAccessFile(const std::string& path, const std::string& text,
                                        AccessPolicy* policy);

}  // namespace router

#endif  // ROUTER_SERVER_ACCESS_ACCESS_FILE_H_
