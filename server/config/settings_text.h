#ifndef ROUTER_SERVER_CONFIG_SETTINGS_TEXT_H_
#define ROUTER_SERVER_CONFIG_SETTINGS_TEXT_H_

#include <string>

namespace router {

// The text of --help.
std::string HelpText();

// The table of docs/configuration.md.
std::string MarkdownTable();

// Its list of the settings that a reload changes.
std::string MarkdownReloadable();

}  // namespace router

#endif  // ROUTER_SERVER_CONFIG_SETTINGS_TEXT_H_
