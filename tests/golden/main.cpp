#include "tests/golden/golden_case.hpp"

#include <ssugraph/device.hpp>

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>

/** Runs the recorded cases; says that it skipped them where the default folder is absent. */
int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const auto folder = ssugraph::test::find_golden_folder();
  if (!folder.named && !std::filesystem::is_directory(folder.path)) {
    std::printf("golden: skipped, %s is absent\n", folder.path.string().c_str());
    return 0;
  }
  if (!ssugraph::has_cuda_device()) std::printf("native: skipped, no CUDA device\n");
  return RUN_ALL_TESTS();
}
