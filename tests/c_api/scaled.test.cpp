#include "tests/c_api/c_pipelines.hpp"

#include <ssugraph/ssugraph.h>
#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

/** Scaled states as C gives them: codes by DLPack's dtypes, and scales beside them. */
namespace ssugraph::test {
namespace {

constexpr std::array scaled{dtype::int8, dtype::int16, dtype::float8_e4m3};
/** kDLFloat8_e4m3fn, of which an installed header may have no name. */
constexpr std::uint8_t float8_e4m3fn = 10;

case_spec spec_of(dtype state, bool has_dst_state = false) {
  case_spec spec;
  spec.state_dtype = state;
  spec.has_dst = true;
  spec.has_dst_state = has_dst_state;
  return spec;
}

/** A valid call with scaled states, on the host. */
class c_scaled : public testing::TestWithParam<dtype> {
 protected:
  c_scaled() {
    random_engine engine{1};
    case_ = make_case(spec_of(GetParam(), true), engine);
    args_ = first_sequences(case_.args_at(case_.memory.data()), case_.batch);
  }

  static std::string refused(const c_args& args) {
    const auto ignore = [](void*, const char*, const char*) {};
    return refused_argument(ssugraph_backends_for(nullptr, args.get(), ignore, nullptr));
  }
  [[nodiscard]] std::string refused(const std::string& name,
                                    const std::function<void(DLTensor&)>& spoil) const {
    c_args args{args_};
    spoil(args.of(name).tensor);
    return refused(args);
  }

  ssu_case case_;
  ssu_args args_;
};

TEST_P(c_scaled, states_are_taken_with_their_scales) {
  EXPECT_EQ(refused(c_args{args_}), "success");
  c_args args{args_};
  if (GetParam() == dtype::float8_e4m3) {
    EXPECT_EQ(args.of("state").tensor.dtype.code, float8_e4m3fn);
  }
}

TEST_P(c_scaled, states_have_scales_and_no_others_do) {
  for (const bool of_dst : {false, true}) {
    c_args args{args_};
    (of_dst ? args.args.dst_state_scale : args.args.state_scale) = nullptr;
    EXPECT_EQ(refused(args), of_dst ? "dst_state_scale" : "state_scale");
  }
  c_args without_dst{args_};
  without_dst.args.dst_state = nullptr;
  EXPECT_EQ(refused(without_dst), "dst_state_scale");
  c_args floating{args_};
  for (const char* name : {"state", "dst_state"})
    floating.of(name).tensor.dtype = {kDLBfloat, 16, 1};
  if (size_of(GetParam()) == 2) {  // else there are too few bytes, and odd addresses
    EXPECT_EQ(refused(floating), "state_scale");
    floating.args.state_scale = nullptr;
    EXPECT_EQ(refused(floating), "dst_state_scale");
  }
  // A caller who was compiled before there were scales.
  c_args early{args_};
  early.args.struct_size = offsetof(ssugraph_ssu_args, dst_state);
  EXPECT_EQ(refused(early), "state_scale");
}

TEST_P(c_scaled, states_have_the_lanes_and_bits_that_the_library_has) {
  for (const DLDataType type : std::vector<DLDataType>{{kDLInt, 8, 2},
                                                       {kDLInt, 16, 2},
                                                       {kDLInt, 8, 0},
                                                       {kDLInt, 4, 1},
                                                       {kDLInt, 4, 2},
                                                       {kDLUInt, 8, 1},
                                                       {kDLUInt, 16, 1},
                                                       {kDLFloat, 8, 1},
                                                       {float8_e4m3fn, 8, 2},
                                                       {float8_e4m3fn, 8, 4},
                                                       {float8_e4m3fn, 16, 1},
                                                       {float8_e4m3fn, 4, 1}}) {
    for (const char* name : {"state", "dst_state"}) {
      const auto retype = [&](DLTensor& tensor) { tensor.dtype = type; };
      EXPECT_EQ(refused(name, retype), std::string{name} + ".dtype");
      EXPECT_NE(std::string{ssugraph_last_error()}.find("int8 or float8_e4m3, of one lane"),
                std::string::npos)
          << ssugraph_last_error();
    }
  }
  // The other formats of eight bits and fewer that DLPack has: e3m4, e4m3, e4m3b11fnuz, ...
  for (std::uint8_t code = 7; code < 18; ++code) {
    if (code == float8_e4m3fn) continue;
    const auto retype = [&](DLTensor& tensor) { tensor.dtype = {code, 8, 1}; };
    EXPECT_EQ(refused("state", retype), "state.dtype") << int{code};
  }
}

TEST_P(c_scaled, states_have_scales_of_float32) {
  for (const char* name : {"state_scale", "dst_state_scale"}) {
    const auto refused_as = [&](DLDataType type) {
      return refused(name, [&](DLTensor& tensor) { tensor.dtype = type; });
    };
    EXPECT_EQ(refused_as({kDLFloat, 64, 1}), std::string{name} + ".dtype");
    EXPECT_NE(std::string{ssugraph_last_error()}.find("expected float32, of one lane"),
              std::string::npos)
        << ssugraph_last_error();
    EXPECT_EQ(refused_as({kDLFloat, 32, 2}), std::string{name} + ".dtype");
    EXPECT_EQ(refused_as({kDLFloat, 16, 1}), name);
    EXPECT_EQ(refused_as({kDLInt, 8, 1}), name);
    EXPECT_EQ(refused_as({float8_e4m3fn, 8, 1}), name);
    EXPECT_EQ(refused(name, [](DLTensor& t) { t.data = nullptr; }), std::string{name} + ".data");
    EXPECT_EQ(refused(name, [](DLTensor& t) { t.byte_offset += 2; }), name) << "alignment";
    EXPECT_EQ(refused(name, [](DLTensor& t) { --t.shape[0]; }), name) << "slots";
    EXPECT_EQ(refused(name, [](DLTensor& t) { --t.shape[2]; }), name) << "dim";
    EXPECT_EQ(refused(name, [](DLTensor& t) { t.ndim = 1; }), name) << "rank";
    EXPECT_EQ(refused(name,
                      [](DLTensor& t) {
                        t.device = {kDLCUDA, 0};
                      }),
              std::string{name} + ".device");
  }
  const auto on_out = [&](DLTensor& tensor) { tensor.data = args_.out.data(); };
  EXPECT_EQ(refused("dst_state_scale", on_out), "dst_state_scale") << "overlap";
  const auto on_itself = [](DLTensor& tensor) { tensor.strides[2] = 0; };
  EXPECT_EQ(refused("dst_state_scale", on_itself), "dst_state_scale") << "overlap";
}

INSTANTIATE_TEST_SUITE_P(, c_scaled, testing::ValuesIn(scaled),
                         [](const auto& info) { return std::string{to_string(info.param)}; });

/** Against C++. */
class c_scaled_runs : public c_pipelines {};

TEST_P(c_scaled_runs, prepared_with_addresses_of_their_scales) {
  for (const dtype state : scaled) {
    const placed_stream stream{where()};
    random_engine engine{base_seed()};
    const ssu_case test = make_case(spec_of(state, true), engine);
    const mamba_config config{.backend = on_gpu() ? "native" : "reference"};
    const placed_memory by_cpp{where(), test.memory};
    const placed_memory by_c{where(), test.memory};
    const auto on = [&](const placed_memory& memory) {
      return first_sequences(without_seed(test.args_at(memory.data())), test.batch);
    };
    ssu_dispatch{config}.selective_state_update(on(by_cpp), stream.get());
    const ssugraph_config given = c_config(config);
    c_dispatch dispatch;
    ASSERT_STATUS(ssugraph_dispatch_create(&given, 0, &dispatch), SUCCESS);
    const placed_memory elsewhere{where(), test.memory};
    const c_args args{on(elsewhere), on_gpu()};
    c_call call;
    ASSERT_STATUS(ssugraph_call_create(dispatch, args.get(), &call), SUCCESS);
    const ssu_args here = on(by_c);
    ssugraph_ssu_addresses addresses{};
    addresses.struct_size = sizeof addresses;
    addresses.state = here.state.data();
    addresses.x = here.x.data();
    addresses.dt = here.dt.data();
    addresses.A = here.A.data();
    addresses.B = here.B.data();
    addresses.C = here.C.data();
    addresses.D = here.D.data();
    addresses.dt_bias = here.dt_bias.data();
    addresses.out = here.out.data();
    addresses.state_batch_indices = here.state_batch_indices.data();
    addresses.dst_state_batch_indices = here.dst_state_batch_indices.data();
    addresses.dst_state = here.dst_state.data();
    addresses.state_scale = here.state_scale.data();
    EXPECT_EQ(refused_argument(ssugraph_call_launch(call, &addresses, test.batch, stream.get())),
              "dst_state_scale");
    addresses.dst_state_scale = here.dst_state_scale.data();
    addresses.state_scale = nullptr;
    EXPECT_EQ(refused_argument(ssugraph_call_launch(call, &addresses, test.batch, stream.get())),
              "state_scale");
    addresses.state_scale = here.state_scale.data();
    EXPECT_STATUS(ssugraph_call_launch(call, &addresses, test.batch, stream.get()), SUCCESS);
    stream.wait();
    EXPECT_EQ(by_c.read_all(), by_cpp.read_all()) << to_string(state);
  }
}

TEST_P(c_scaled_runs, in_pipelines_rebound_with_their_scales) {
  for (const dtype state : scaled) {
    case_spec spec = spec_of(state);
    spec.stochastic_rounding = true;
    const auto layers = make_layers(spec, 2);
    model by_c{GetParam(), layers, false};
    model by_cpp{GetParam(), layers, false};
    model away{GetParam(), layers, false};
    const placed_stream stream{where()};
    const mamba_config rounding{.stochastic_rounding = true};
    constexpr std::array<std::int32_t, 1> buckets{3};
    lane expected = by_cpp.build(bucket_policy{{3}}).make_lane(stream.get());
    c_lane lane;
    ASSERT_NO_FATAL_FAILURE(make_lane(by_c, rounding, buckets, stream.get(), lane));
    std::vector<ssugraph_binding> bindings{{"layer0", "state", away.args(0).state.data()}};
    const tensor_view others = by_c.args(1).state_scale;
    bindings.push_back({"layer0", "state_scale", others.data()});
    EXPECT_EQ(refused_argument(ssugraph_lane_rebind(lane, bindings.data(), 2, nullptr, 0, nullptr)),
              "layer1.state_scale");
    bindings[1].data = away.args(0).state_scale.data();
    ASSERT_STATUS(ssugraph_lane_rebind(lane, bindings.data(), 2, nullptr, 0, nullptr), SUCCESS);
    expected.replay(3, stream.get());
    EXPECT_STATUS(ssugraph_lane_replay(lane, 3, stream.get()), SUCCESS);
    stream.wait();
    EXPECT_EQ(by_c.read()[1], by_cpp.read()[1]);
    EXPECT_NE(by_c.read()[0], by_cpp.read()[0]);
    EXPECT_NE(away.read()[0], layers[0].memory);
  }
}

SSUGRAPH_ON_BOTH_TARGETS(c_scaled_runs);

}  // namespace
}  // namespace ssugraph::test
