#include "tests/golden/golden_folder.hpp"

#include <algorithm>
#include <cstdlib>

namespace ssugraph::test {

golden_folder find_recorded(const char* variable, const char* name) {
  if (const char* named = std::getenv(variable)) return {named, true};
  return {std::filesystem::path{SSUGRAPH_SOURCE_DIR} / ".." / "shared" / name, false};
}

std::vector<std::filesystem::path> safetensors_in(const golden_folder& folder) {
  std::vector<std::filesystem::path> files;
  if (!std::filesystem::is_directory(folder.path)) return files;
  for (const auto& entry : std::filesystem::directory_iterator{folder.path}) {
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace ssugraph::test
