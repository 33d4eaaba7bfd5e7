#pragma once

#include <filesystem>
#include <vector>

namespace ssugraph::test {

/** A folder of recorded cases, and whether the environment named it. */
struct golden_folder {
  std::filesystem::path path;
  bool named = false;
};

/** The folder that `variable` of the environment names, or shared/`name` beside the repository. */
[[nodiscard]] golden_folder find_recorded(const char* variable, const char* name);

/** Its files, by name; none where it is absent. */
[[nodiscard]] std::vector<std::filesystem::path> safetensors_in(const golden_folder& folder);

}  // namespace ssugraph::test
