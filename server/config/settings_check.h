#ifndef ROUTER_SERVER_CONFIG_SETTINGS_CHECK_H_
#define ROUTER_SERVER_CONFIG_SETTINGS_CHECK_H_

#include <string>
#include <vector>

#include "server/config/settings.h"

namespace router {

// What is wrong with settings that are each allowed by themselves: addresses, settings that need or
// exclude one another. One line each.
std::vector<std::string> CheckSettings(const Settings& settings);

// Reads the files of secrets into their members and makes sure that the other files can be read.
// One line for each file that is missing, unreadable or empty.
std::vector<std::string> LoadSecrets(Settings& settings);

}  // namespace router

#endif  // ROUTER_SERVER_CONFIG_SETTINGS_CHECK_H_
