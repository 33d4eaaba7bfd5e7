#include "tests/graphs/replay.hpp"

#include <algorithm>

namespace ssugraph::test {
namespace {

bucket_policy buckets_of(const ssu_case& test) {
  const auto capacity = static_cast<std::int32_t>(test.capacity);
  if (capacity == 1) return bucket_policy{{1}};
  return bucket_policy{{capacity / 2, capacity}};
}

void run_once(const ssu_case& test, target where, lane_call call, const std::string& backend,
              std::byte* base, stream_handle stream) {
  mamba_config config = test.config;
  config.backend = backend;
  pipeline_builder builder{config, buckets_of(test), where};
  if (!test.keeps_promises) builder.recording({.checked = false});
  builder.ssu("layer", without_seed(test.args_at(base)));
  lane lane = builder.build().make_lane(stream);
  lane.set_random_state(test.random, stream);
  run(lane, call, static_cast<std::int32_t>(test.batch), stream);
}

}  // namespace

void run(lane& lane, lane_call call, std::int32_t batch, stream_handle stream) {
  if (call == lane_call::replay) {
    lane.replay(batch, stream);
  } else {
    lane.run_eager(batch, stream);
  }
}

execution recorded(target where, lane_call call, const std::string& backend) {
  const std::string name = (where == target::host ? "host" : backend) +
                           (call == lane_call::replay ? "_replay" : "_run_eager");
  const auto sequences = [](const ssu_case& test) {
    return buckets_of(test).bucket_for(static_cast<std::int32_t>(test.batch));
  };
  const auto run = [=](const ssu_case& test, std::byte* base, stream_handle stream) {
    run_once(test, where, call, backend, base, stream);
  };
  const execution how{name, place_of(where), sequences, run, backend};
  return backend == "native" ? how : by_backend(how, backend);
}

ssu_args without_seed(ssu_args args) {
  args.rand_seed = {};
  return args;
}

model::model(target where, const std::vector<ssu_case>& layers, bool chained)
    : where_{where}, config_{layers.front().config} {
  for (const ssu_case& layer : layers) {
    memories_.emplace_back(place_of(where), layer.memory);
    ssu_args args = without_seed(layer.args_at(memories_.back().data()));
    if (!args_.empty()) {
      for (auto member : {&ssu_args::state_batch_indices, &ssu_args::dst_state_batch_indices,
                          &ssu_args::num_accepted_tokens, &ssu_args::cu_seqlens}) {
        args.*member = args_.front().*member;
      }
      if (chained) args.x = args_.back().out;
    }
    args_.push_back(args);
  }
}

pipeline_builder model::builder(bucket_policy buckets) const {
  pipeline_builder builder{config_, std::move(buckets), where_};
  for (std::size_t layer = 0; layer < args_.size(); ++layer) {
    builder.ssu(name_of(layer), args_[layer]);
  }
  return builder;
}

std::vector<arena> model::read() const {
  std::vector<arena> contents;
  for (const placed_memory& memory : memories_)
    contents.push_back(memory.read_all());
  return contents;
}

void model::write(const std::vector<arena>& contents) {
  for (std::size_t layer = 0; layer < contents.size(); ++layer) {
    memories_[layer].write(0, {contents[layer].data(), contents[layer].size()});
  }
}

std::vector<ssu_case> make_layers(const case_spec& spec, std::size_t count) {
  random_engine engine{base_seed()};
  std::vector<ssu_case> layers;
  for (std::size_t i = 0; i < count; ++i)
    layers.push_back(make_case(spec, engine));
  return layers;
}

}  // namespace ssugraph::test
