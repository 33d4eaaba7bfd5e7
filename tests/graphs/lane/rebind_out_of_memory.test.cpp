#include "tests/graphs/target_suite.hpp"
#include "tests/support/few_allocations.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <iostream>
#include <new>
#include <string>
#include <utility>
#include <vector>

/** A rebind that runs out of the host's memory anywhere. */
namespace ssugraph::test {
namespace {

constexpr std::array<std::int32_t, 3> buckets{1, 2, 4};

class rebind_out_of_memory : public target_suite {
 protected:
  static std::vector<ssu_case> cases() {
    case_spec spec;
    spec.batch = buckets.back();
    spec.capacity = buckets.back();
    spec.state_dtype = dtype::bfloat16;
    return make_layers(spec, 2);
  }

  static std::vector<binding> all_of(const model& to) {
    std::vector<binding> bindings;
    for (std::size_t layer = 0; layer < to.size(); ++layer) {
      for (const named_tensor& tensor : ssu_tensors) {
        if (const tensor_view& view = to.args(layer).*tensor.member)
          bindings.push_back({model::name_of(layer), tensor.name, view.data()});
      }
    }
    return bindings;
  }
};

/** Every bucket serves the old tensors or the new ones as a whole, or says that it is lost. */
TEST_P(rebind_out_of_memory, leaves_no_bucket_half_changed) {
  model first{GetParam(), cases(), false};
  model second{GetParam(), cases(), false};
  const placed_stream stream{where()};
  const auto before = std::pair{first.read(), second.read()};
  const auto serve = [&](lane& lane, std::int32_t batch) {
    first.write(before.first);
    second.write(before.second);
    lane.replay(batch, stream.get());
    stream.wait();
    return std::pair{first.read(), second.read()};
  };
  // With a custom step the graphs are updated as a whole.
  for (const bool with_step : {false, true}) {
    placed_memory scrap{where(), 512};
    pipeline_builder builder = first.builder(bucket_policy{{buckets.begin(), buckets.end()}});
    if (with_step) {
      builder.step("copy", [&](const step_context&, stream_handle on) {
        enqueue_copy(where(), scrap.data(), scrap.data() + 256, 64, on);
      });
    }
    const pipeline built = builder.build();
    lane to_first = built.make_lane(stream.get());
    using contents = std::pair<std::vector<arena>, std::vector<arena>>;
    std::array<std::array<contents, 2>, buckets.size()> expected;
    for (std::size_t i = 0; i < buckets.size(); ++i)
      expected[i][0] = serve(to_first, buckets[i]);
    (void)to_first.rebind(all_of(second));
    for (std::size_t i = 0; i < buckets.size(); ++i)
      expected[i][1] = serve(to_first, buckets[i]);

    const std::vector<binding> bindings = all_of(second);
    int lost = 0;
    bool done = false;
    for (int allowed = 0; !done; ++allowed) {
      ASSERT_LT(allowed, 20000);
      lane lane = built.make_lane(stream.get());
      try {
        const few_allocations memory{allowed};
        (void)lane.rebind(bindings);
        done = true;
      } catch (const std::bad_alloc&) {
        EXPECT_FALSE(done);
      }
      for (std::size_t i = 0; i < buckets.size(); ++i) {
        try {
          const auto got = serve(lane, buckets[i]);
          EXPECT_TRUE(got == expected[i][0] || got == expected[i][1])
              << "bucket " << buckets[i] << " behind " << allowed << " allocations";
          EXPECT_TRUE(!done || got == expected[i][1]);
        } catch (const invalid_state& error) {
          ++lost;
          EXPECT_NE(std::string{error.what()}.find("rebuild"), std::string::npos);
          lane.rebuild(buckets[i]);
          EXPECT_EQ(serve(lane, buckets[i]), expected[i][1]) << "rebuilt";
        }
      }
    }
    EXPECT_EQ(lost, 0) << "something allocates behind the point of no return";
  }
}

SSUGRAPH_ON_BOTH_TARGETS(rebind_out_of_memory);

}  // namespace
}  // namespace ssugraph::test
