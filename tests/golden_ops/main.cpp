#include "tests/golden_ops/golden_ops.hpp"

#include <ssugraph/device.hpp>

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <set>
#include <string>

namespace ssugraph::test {
namespace {

/** Prints which recorded cases nothing here runs. */
void name_what_is_not_there(const golden_folder& folder) {
  static const std::set<std::string> there{"checkpointed_ssu"};
  for (const auto& path : safetensors_in(folder)) {
    const auto meta = nlohmann::json::parse(safetensors_file{path}.metadata("case"));
    const std::string op = meta.at("op");
    const std::string name = meta.at("name");
    if (!there.contains(op))
      std::printf("%s: skipped, there is no operation %s\n", name.c_str(), op.c_str());
  }
}

TEST(golden_ops, there_are_cases) {
  EXPECT_FALSE(safetensors_in(find_golden_ops()).empty())
      << "no recorded case in " << find_golden_ops().path;
}

}  // namespace
}  // namespace ssugraph::test

/** Runs the recorded cases; says that it skipped them where the default folder is absent. */
int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const auto folder = ssugraph::test::find_golden_ops();
  if (!folder.named && !std::filesystem::is_directory(folder.path)) {
    std::printf("golden_ops: skipped, %s is absent\n", folder.path.string().c_str());
    return 0;
  }
  if (!ssugraph::has_cuda_device()) std::printf("native: skipped, no CUDA device\n");
  ssugraph::test::name_what_is_not_there(folder);
  return RUN_ALL_TESTS();
}
