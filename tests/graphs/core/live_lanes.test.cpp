#include "graphs/core/live_lanes.hpp"

#include <ssugraph/error.hpp>

#include <gtest/gtest.h>

#include <array>
#include <future>
#include <vector>

/** Which lanes of a pipeline may be in flight together, also while one of them changes. */
namespace ssugraph::test {
namespace {

using detail::lane_tensor;
using detail::live_lanes;

class list_of_lanes : public testing::Test {
 protected:
  using tensors = std::vector<lane_tensor>;

  /** A lane's `out`, in one of four places. */
  tensors out_in(std::size_t place) {
    return {{"layer.out", tensor_view{memory_[place].data(), dtype::float32, {8}}, true}};
  }
  static stream_handle stream(int number) {
    static std::array<int, 4> some{};
    return reinterpret_cast<stream_handle>(&some[static_cast<std::size_t>(number)]);
  }
  /** Whether `lane` may write there. It stays where it was. */
  bool may_enter(const void* lane, int number, std::size_t place) {
    try {
      lanes_.enter(lane, stream(number), out_in(place), [] {});
    } catch (const invalid_argument& error) {
      EXPECT_EQ(error.argument(), "layer.out");
      return false;
    }
    lanes_.leave(lane);
    return true;
  }

  live_lanes lanes_;
  std::array<std::array<float, 8>, 4> memory_{};
  char one_ = 0, other_ = 0, third_ = 0;
};

TEST_F(list_of_lanes, keeps_writers_on_two_streams_apart) {
  lanes_.enter(&one_, stream(0), out_in(0), [] {});
  EXPECT_FALSE(may_enter(&other_, 1, 0));
  EXPECT_TRUE(may_enter(&other_, 0, 0)) << "behind it on its stream";
  EXPECT_TRUE(may_enter(&other_, 1, 1));
  lanes_.leave(&one_);
  EXPECT_TRUE(may_enter(&other_, 1, 0));
}

TEST_F(list_of_lanes, has_a_lane_that_changes_in_both_places) {
  lanes_.enter(&one_, stream(0), out_in(0), [] {});
  lanes_.enter(&one_, stream(0), out_in(1), [&] {
    EXPECT_FALSE(may_enter(&other_, 1, 0));
    EXPECT_FALSE(may_enter(&other_, 1, 1));
  });
  EXPECT_TRUE(may_enter(&other_, 1, 0));
  EXPECT_FALSE(may_enter(&other_, 1, 1));
}

TEST_F(list_of_lanes, puts_a_lane_back_whose_change_throws) {
  struct users_error {};
  lanes_.enter(&one_, stream(0), out_in(0), [] {});
  EXPECT_THROW(lanes_.enter(&one_, stream(1), out_in(1), [] { throw users_error{}; }), users_error);
  EXPECT_TRUE(may_enter(&other_, 2, 1));
  EXPECT_FALSE(may_enter(&other_, 2, 0));
  EXPECT_TRUE(may_enter(&other_, 0, 0)) << "it is still on its first stream";
}

TEST_F(list_of_lanes, lets_others_come_and_go_during_a_change) {
  lanes_.enter(&one_, stream(0), out_in(0), [] {});
  lanes_.enter(&other_, stream(1), out_in(1), [] {});
  lanes_.enter(&one_, stream(0), out_in(2), [&] {
    lanes_.leave(&other_);
    auto elsewhere = std::async(std::launch::async, [&] { return may_enter(&third_, 2, 3); });
    EXPECT_TRUE(elsewhere.get());
    lanes_.enter(&other_, stream(1), out_in(1), [] {});
  });
  EXPECT_FALSE(may_enter(&third_, 2, 1));
}

}  // namespace
}  // namespace ssugraph::test
