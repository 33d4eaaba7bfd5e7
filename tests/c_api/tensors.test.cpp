#include "tests/c_api/c_args.hpp"
#include "tests/support/ssu_case.hpp"

#include <ssugraph/dispatch.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

/** Tensors that are none, one fault at a time. Nothing here runs on a tensor. */
namespace ssugraph::test {
namespace {

constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();

class c_tensors : public testing::Test {
 protected:
  c_tensors() {
    case_spec spec;
    spec.has_z = true;
    spec.has_dst = true;
    spec.state_dtype = dtype::bfloat16;
    spec.stochastic_rounding = true;
    random_engine engine{1};
    case_ = make_case(spec, engine);
    // A tensor on its own, for the others to stay right where x is wrong.
    args_ = first_sequences(case_.args_at(case_.memory.data()), case_.batch);
  }

  static ssugraph_status ask(const c_args& args) {
    const auto ignore = [](void*, const char*, const char*) {};
    return ssugraph_backends_for(nullptr, args.get(), ignore, nullptr);
  }

  /** The argument that is refused once `spoil` has changed tensor `name`. */
  std::string refused(const std::string& name, const std::function<void(c_tensor&)>& spoil) const {
    c_args args{args_};
    spoil(args.of(name));
    return refused_argument(ask(args));
  }

  ssu_case case_;
  ssu_args args_;
};

TEST_F(c_tensors, are_taken_as_they_are) {
  EXPECT_STATUS(ask(c_args{args_}), SUCCESS);
  const auto taken = [&](const std::function<void(c_tensor&)>& change) {
    return refused("A", change);
  };
  EXPECT_EQ(taken([](c_tensor& t) { t.tensor.device = {kDLCUDAHost, 0}; }), "success");
  EXPECT_EQ(taken([](c_tensor& t) { t.tensor.device = {kDLCPU, 3}; }), "success");
}

TEST_F(c_tensors, of_every_name_are_refused_by_their_own) {
  for (const named_tensor& tensor : ssu_tensors) {
    if (!(args_.*tensor.member)) continue;
    const std::string name = tensor.name;
    const auto lanes = [](c_tensor& t) { t.tensor.dtype.lanes = 2; };
    EXPECT_EQ(refused(name, lanes), name + ".dtype");
    EXPECT_EQ(refused(name, [](c_tensor& t) { t.tensor.data = nullptr; }), name + ".data");
  }
}

TEST_F(c_tensors, with_a_dtype_that_the_library_has_not) {
  for (const DLDataType type : std::vector<DLDataType>{{kDLFloat, 64, 1},
                                                       {kDLFloat, 32, 0},
                                                       {kDLFloat, 16, 4},
                                                       {kDLInt, 4, 1},
                                                       {kDLUInt, 32, 1},
                                                       {kDLBfloat, 32, 1},
                                                       {kDLComplex, 64, 1},
                                                       {kDLOpaqueHandle, 64, 1},
                                                       {255, 255, 65535}}) {
    EXPECT_EQ(refused("x", [&](c_tensor& t) { t.tensor.dtype = type; }), "x.dtype");
  }
  // Known, but not for this tensor.
  constexpr std::uint8_t float8_e4m3fn = 10;
  for (const DLDataType type : std::vector<DLDataType>{
           {kDLInt, 32, 1}, {kDLInt, 16, 1}, {kDLInt, 8, 1}, {float8_e4m3fn, 8, 1}})
    EXPECT_EQ(refused("x", [&](c_tensor& t) { t.tensor.dtype = type; }), "x");
}

TEST_F(c_tensors, with_a_dtype_that_is_none_are_told_those_that_they_can_have) {
  const auto told = [&](const char* name) {
    EXPECT_EQ(refused(name,
                      [](c_tensor& t) {
                        t.tensor.dtype = {kDLFloat, 64, 1};
                      }),
              name + std::string{".dtype"});
    return std::string{ssugraph_last_error()};
  };
  EXPECT_NE(told("x").find("float32, float16 or bfloat16, of one lane"), std::string::npos);
  EXPECT_EQ(told("A").find("int"), std::string::npos) << told("A");
  EXPECT_NE(told("state_batch_indices").find("int32 or int64, of one lane"), std::string::npos);
  EXPECT_NE(told("rand_seed").find("expected int64, of one lane"), std::string::npos);
  for (const char* name : {"float16", "bfloat16", "int16", "int8", "float8_e4m3"})
    EXPECT_NE(told("state").find(name), std::string::npos) << told("state");
}

TEST_F(c_tensors, of_a_scaled_state_have_scales) {
  constexpr std::uint8_t float8_e4m3fn = 10;
  ssugraph_config config{};
  config.struct_size = sizeof config;
  config.backend = "reference";
  ssugraph_dispatch* dispatch = nullptr;
  ASSERT_STATUS(ssugraph_dispatch_create(&config, 0, &dispatch), SUCCESS);
  for (const DLDataType type :
       std::vector<DLDataType>{{kDLInt, 16, 1}, {kDLInt, 8, 1}, {float8_e4m3fn, 8, 1}}) {
    c_args args{args_};
    args.of("state").tensor.dtype = type;
    EXPECT_EQ(refused_argument(ssugraph_dispatch_plan(dispatch, args.get(), nullptr, 0, nullptr)),
              "state_scale");
    EXPECT_EQ(
        refused_argument(ssugraph_dispatch_selective_state_update(dispatch, args.get(), nullptr)),
        "state_scale");
  }
  EXPECT_STATUS(ssugraph_dispatch_destroy(dispatch), SUCCESS);
}

TEST_F(c_tensors, whose_null_block_is_not_said_to_be_one) {
  c_args args{args_};
  for (const auto& [has, id, argument] :
       {std::tuple{0, 3, "has_null_block"}, std::tuple{2, 0, "has_null_block"},
        std::tuple{-1, 0, "has_null_block"}, std::tuple{0, 0, "success"},
        std::tuple{0, -1, "success"}, std::tuple{1, 3, "success"}}) {
    args.args.has_null_block = has;
    args.args.null_block_id = id;
    EXPECT_EQ(refused_argument(ask(args)), argument) << has << ", " << id;
  }
}

TEST_F(c_tensors, limit_dt_only_if_they_say_so) {
  c_args args{args_};
  args.args.dt_min = 0.5f;
  args.args.dt_max = 0.25f;
  for (const auto& [limited, argument] :
       {std::pair{0, "success"}, std::pair{1, "dt_min"}, std::pair{2, "dt_limited"}}) {
    args.args.dt_limited = limited;
    EXPECT_EQ(refused_argument(ask(args)), argument) << limited;
  }
}

TEST_F(c_tensors, of_a_seed_may_be_a_scalar) {
  const auto scalar = [](c_tensor& t) {
    t.tensor.ndim = 0;
    t.tensor.shape = t.tensor.strides = nullptr;
  };
  EXPECT_EQ(refused("rand_seed", scalar), "success");
  EXPECT_EQ(refused("rand_seed",
                    [&](c_tensor& t) {
                      scalar(t);
                      t.tensor.dtype = {kDLInt, 32, 1};
                    }),
            "rand_seed");
  EXPECT_EQ(refused("num_accepted_tokens", scalar), refused("num_accepted_tokens", [](auto&) {}));
}

TEST_F(c_tensors, without_axes_or_with_too_many) {
  for (const int ndim :
       {-1, 0, 5, std::numeric_limits<int>::min(), std::numeric_limits<int>::max()})
    EXPECT_EQ(refused("x", [&](c_tensor& t) { t.tensor.ndim = ndim; }), "x.ndim");
  EXPECT_EQ(refused("x", [](c_tensor& t) { t.tensor.shape = nullptr; }), "x.shape");
}

TEST_F(c_tensors, with_a_negative_extent) {
  for (const std::int64_t extent : {std::int64_t{-1}, -largest - 1})
    EXPECT_EQ(refused("x", [&](c_tensor& t) { t.shape[1] = extent; }), "x.shape");
}

TEST_F(c_tensors, larger_than_addresses_reach) {
  const auto sized = [](std::int64_t extent, std::int64_t stride) {
    return [=](c_tensor& t) {
      t.shape[0] = extent;
      t.strides[0] = stride;
    };
  };
  EXPECT_EQ(refused("x", sized(largest, 1)), "x.shape") << "times the other axes";
  EXPECT_EQ(refused("x", sized(2, largest)), "x");
  EXPECT_EQ(refused("x", sized(2, -largest)), "x");
  EXPECT_EQ(refused("x", sized(2, -largest - 1)), "x");
  EXPECT_EQ(refused("x", sized(1, largest)), refused("x", sized(1, 1)))
      << "a step that nobody takes";
  EXPECT_EQ(refused("x", sized(std::int64_t{1} << 40, std::int64_t{1} << 40)), "x");
  EXPECT_EQ(refused("x", sized(std::int64_t{1} << 20, std::int64_t{1} << 41)), "x");
  EXPECT_EQ(refused("x", sized(std::int64_t{1} << 20, -(std::int64_t{1} << 30))), "x")
      << "below address 0";
  EXPECT_EQ(refused("x", sized(3, std::int64_t{1} << 40)), "success") << "nothing was read";
}

TEST_F(c_tensors, whose_offset_wraps) {
  for (const std::uint64_t offset : {~std::uint64_t{0}, std::uint64_t{1} << 63})
    EXPECT_EQ(refused("x", [&](c_tensor& t) { t.tensor.byte_offset = offset; }), "x");
  EXPECT_EQ(refused("x", [](c_tensor& t) { t.tensor.byte_offset = 1; }), "x") << "not aligned";
}

TEST_F(c_tensors, on_no_device_of_ours) {
  for (const DLDevice device : std::vector<DLDevice>{{kDLROCM, 0}, {kDLMetal, 0}, {kDLCUDA, -1}})
    EXPECT_EQ(refused("x", [&](c_tensor& t) { t.tensor.device = device; }), "x.device");
  const auto no_device = [](c_tensor& t) {
    const std::int32_t type = -77;
    std::memcpy(&t.tensor.device.device_type, &type, sizeof type);
  };
  EXPECT_EQ(refused("x", no_device), "x.device");
}

TEST_F(c_tensors, that_are_not_where_they_say) {
  EXPECT_EQ(refused("x", [](c_tensor& t) { t.tensor.device = {kDLCUDA, 0}; }), "x.device");
  EXPECT_EQ(refused("x", [](c_tensor& t) { t.tensor.device = {kDLCUDAManaged, 0}; }), "x.device");
}

TEST_F(c_tensors, without_strides_are_dense) {
  std::vector<float> x(static_cast<std::size_t>(args_.x.size()));
  ssu_args dense = args_;
  dense.x = tensor_view{x.data(), dtype::float32, args_.x.extents()};
  c_args args{dense};
  args.of("x").tensor.strides = nullptr;
  const auto plan = [](const c_args& of) {
    ssugraph_dispatch* dispatch = nullptr;
    const ssugraph_config config = c_config("reference");
    EXPECT_STATUS(ssugraph_dispatch_create(&config, 0, &dispatch), SUCCESS);
    const std::string text = text_of([&](char* to, std::size_t capacity, std::size_t* length) {
      return ssugraph_dispatch_plan(dispatch, of.get(), to, capacity, length);
    });
    EXPECT_STATUS(ssugraph_dispatch_destroy(dispatch), SUCCESS);
    return text;
  };
  EXPECT_EQ(plan(args), plan(c_args{dense}));
  EXPECT_EQ(plan(args), to_string(ssu_dispatch{{.backend = "reference"}}.plan(dense)));
}

/** What NumPy and DLPack leave undefined along an axis of one entry. */
constexpr std::int64_t wild_strides[] = {std::int64_t{1} << 61, -(std::int64_t{1} << 61), largest,
                                         -largest - 1, 0};

void set_strides_of_one_entry(c_tensor& tensor, std::int64_t stride) {
  for (std::size_t axis = 0; axis < static_cast<std::size_t>(tensor.tensor.ndim); ++axis) {
    if (tensor.shape[axis] == 1) tensor.strides[axis] = stride;
  }
}

TEST_F(c_tensors, may_have_any_stride_along_an_axis_of_one_entry) {
  case_spec spec;
  spec.batch = spec.capacity = spec.nheads = 1;
  spec.has_z = spec.has_dst = true;
  random_engine engine{base_seed()};
  ssu_case one = make_case(spec, engine);
  one.layout.rand_seed = {};
  const ssugraph_config config = c_config("reference");
  /** Memory after an eager call, and after a replay. */
  const auto run = [&](const std::function<void(c_tensor&)>& change) {
    std::pair memories{one.memory, one.memory};
    const auto changed = [&](arena& memory, const auto& call) {
      c_args args{first_sequences(one.args_at(memory.data()), 1)};
      for (c_tensor& tensor : args.tensors)
        change(tensor);
      call(args);
    };
    changed(memories.first, [&](const c_args& args) {
      c_dispatch dispatch;
      ASSERT_STATUS(ssugraph_dispatch_create(&config, 0, &dispatch), SUCCESS);
      EXPECT_STATUS(ssugraph_dispatch_selective_state_update(dispatch, args.get(), nullptr),
                    SUCCESS);
    });
    changed(memories.second, [&](const c_args& args) {
      const std::int32_t bucket = 1;
      c_builder builder;
      c_pipeline pipeline;
      c_lane lane;
      ASSERT_STATUS(ssugraph_builder_create(&config, &bucket, 1, SSUGRAPH_TARGET_HOST, &builder),
                    SUCCESS);
      ASSERT_STATUS(ssugraph_builder_ssu(builder, "layer", args.get(), nullptr), SUCCESS);
      ASSERT_STATUS(ssugraph_builder_build(builder, &pipeline), SUCCESS);
      ASSERT_STATUS(ssugraph_pipeline_make_lane(pipeline, nullptr, 0, nullptr, &lane), SUCCESS);
      EXPECT_STATUS(ssugraph_lane_replay(lane, 1, nullptr), SUCCESS);
    });
    return memories;
  };
  const auto expected = run([](c_tensor&) {});
  EXPECT_NE(expected.first, one.memory);
  EXPECT_EQ(expected.second, expected.first);
  for (const std::int64_t any : wild_strides)
    EXPECT_EQ(run([&](c_tensor& t) { set_strides_of_one_entry(t, any); }), expected) << any;
}

TEST_F(c_tensors, of_one_slot_or_entry_may_have_any_stride_there) {
  for (const std::int64_t any : wild_strides) {
    std::vector<float> block(8, 1.0f);
    const std::int32_t slot = 0;
    c_tensor state{tensor_view{block.data(), dtype::float32, {1, 1, 2, 4}}, false};
    c_tensor slots{tensor_view{&slot, dtype::int32, {1}}, false};
    set_strides_of_one_entry(state, any);
    set_strides_of_one_entry(slots, any);
    const DLTensor* states[] = {&state.tensor};
    EXPECT_STATUS(ssugraph_reset_slots(states, 1, &slots.tensor, nullptr), SUCCESS) << any;
    EXPECT_EQ(block, std::vector(8, 0.0f)) << any;
  }
}

TEST_F(c_tensors, of_other_calls_are_told_their_dtypes_too) {
  float value = 0;
  const std::int32_t slot = 0;
  c_tensor state{tensor_view{&value, dtype::float32, {1, 1, 1, 1}}, false};
  c_tensor slots{tensor_view{&slot, dtype::int32, {1}}, false};
  const DLTensor* states[] = {&state.tensor};
  state.tensor.dtype = {kDLFloat, 64, 1};
  EXPECT_EQ(refused_argument(ssugraph_reset_slots(states, 1, &slots.tensor, nullptr)),
            "states[0].dtype");
  EXPECT_NE(std::string{ssugraph_last_error()}.find("float32, float16 or bfloat16"),
            std::string::npos);
  state.tensor.dtype = {kDLFloat, 32, 1};
  slots.tensor.dtype = {kDLUInt, 32, 1};
  EXPECT_EQ(refused_argument(ssugraph_reset_slots(states, 1, &slots.tensor, nullptr)),
            "slots.dtype");
  EXPECT_NE(std::string{ssugraph_last_error()}.find("int32 or int64"), std::string::npos);
}

TEST_F(c_tensors, offsets_move_the_first_element) {
  std::vector<std::byte> block(1024);
  std::int64_t extents[] = {2, 2, 2, 2};
  DLTensor state{};
  state.data = block.data();
  state.device = {kDLCPU, 0};
  state.ndim = 4;
  state.dtype = {kDLFloat, 32, 1};
  state.shape = extents;
  state.byte_offset = 512;
  std::fill(block.begin(), block.end(), std::byte{1});
  const std::int32_t slot = 1;
  c_tensor slots{tensor_view{&slot, dtype::int32, {1}}, false};
  const DLTensor* states[] = {&state};
  ASSERT_STATUS(ssugraph_reset_slots(states, 1, &slots.tensor, nullptr), SUCCESS);
  for (std::size_t i = 0; i < block.size(); ++i) {
    const bool reset = i >= 512 + 32 && i < 512 + 64;
    EXPECT_EQ(block[i], std::byte{reset ? std::uint8_t{0} : std::uint8_t{1}}) << i;
  }
  EXPECT_EQ(refused_argument(ssugraph_reset_slots(nullptr, 1, &slots.tensor, nullptr)), "states");
  EXPECT_EQ(refused_argument(ssugraph_reset_slots(states, 1, nullptr, nullptr)), "slots");
  states[0] = nullptr;
  EXPECT_EQ(refused_argument(ssugraph_reset_slots(states, 1, &slots.tensor, nullptr)), "states[0]");
}

TEST_F(c_tensors, that_are_needed_are_missed_by_name) {
  for (const char* name : {"state", "x", "dt", "A", "B", "C", "out"}) {
    ssu_args without = args_;
    for (const named_tensor& tensor : ssu_tensors) {
      if (tensor.name == std::string{name}) without.*tensor.member = {};
    }
    EXPECT_EQ(refused_argument(ask(c_args{without})), name);
  }
}

}  // namespace
}  // namespace ssugraph::test
