#ifndef ROUTER_SERVER_BASE_BUILD_COMMIT_H_
#define ROUTER_SERVER_BASE_BUILD_COMMIT_H_

namespace router {

// The commit that this binary was built from, or "unknown". Only main depends on it: whatever does
// is linked anew for every commit.
extern const char kBuildCommit[];

}  // namespace router

#endif  // ROUTER_SERVER_BASE_BUILD_COMMIT_H_
