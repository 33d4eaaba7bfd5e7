#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

/** What the tracer says where it cannot trace, and that the program goes on. Needs no GPU. */
namespace ssugraph::timeline {
namespace {

class tracer_refusals : public testing::Test {
 protected:
  void SetUp() override {
    const auto beside = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    void* library = dlopen((beside / "libtimeline.so").c_str(), RTLD_NOW);
    ASSERT_NE(library, nullptr) << dlerror();
    start_ = reinterpret_cast<int (*)()>(dlsym(library, "InitializeInjection"));
    ASSERT_NE(start_, nullptr);
  }
  void TearDown() override {
    unsetenv("SSUGRAPH_TIMELINE");
    unsetenv("SSUGRAPH_TIMELINE_EVENTS");
  }

  /** What is said as CUDA loads the library. */
  std::string said() {
    testing::internal::CaptureStderr();
    EXPECT_EQ(start_(), 1) << "0 would tell the driver of a failure";
    return testing::internal::GetCapturedStderr();
  }

  int (*start_)() = nullptr;
};

TEST_F(tracer_refusals, name_a_file_that_cannot_be_written) {
  setenv("SSUGRAPH_TIMELINE", "/absent/trace.json", 1);
  const std::string text = said();
  EXPECT_EQ(text.rfind("ssugraph timeline: traces nothing: ", 0), 0u) << text;
  // Where there is no CUPTI that comes first.
  if (text.find("no libcupti.so") == std::string::npos) {
    EXPECT_NE(text.find("cannot write /absent/trace.json: No such file"), std::string::npos)
        << text;
  }
}

TEST_F(tracer_refusals, name_a_setting_that_is_no_number) {
  setenv("SSUGRAPH_TIMELINE_EVENTS", "all", 1);
  EXPECT_EQ(said(),
            "ssugraph timeline: traces nothing: SSUGRAPH_TIMELINE_EVENTS: expected a number above "
            "0, got 'all'\n");
}

}  // namespace
}  // namespace ssugraph::timeline
