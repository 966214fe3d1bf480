// JSON written as YAML.
#ifndef ROUTER_CLIENTS_CLI_YAML_H_
#define ROUTER_CLIENTS_CLI_YAML_H_

#include <string>

namespace router::cli {

// `json` as a block-style YAML document with the same names, order and types: every string that
// YAML could take for something else is quoted. Text that is not JSON comes back as it is.
std::string JsonToYaml(const std::string& json);

}  // namespace router::cli

#endif  // ROUTER_CLIENTS_CLI_YAML_H_
