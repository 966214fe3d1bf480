#ifndef ROUTER_SERVER_BASE_VERSION_H_
#define ROUTER_SERVER_BASE_VERSION_H_

namespace router {

// The version of this source tree, as semantic versioning has it.
inline constexpr char kRouterVersion[] = "0.1.0";

}  // namespace router

#endif  // ROUTER_SERVER_BASE_VERSION_H_
