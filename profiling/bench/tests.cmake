# bench as a test: short runs of every mode, and bad input.

# That it runs; nothing can be said of times here.
function(bench_run name)
  add_test(NAME bench.cuda.${name}
    COMMAND bench --layers 3 --rounds 1 --backend native,automatic ${ARGN})
  set_tests_properties(bench.cuda.${name} PROPERTIES TIMEOUT 120
    SKIP_REGULAR_EXPRESSION "expected a CUDA device, got none")
endfunction()
set(tiny --shape 8x64x128g1 --batch 1,3)
bench_run(plain ${tiny})
bench_run(rounding ${tiny} --state fp16 --philox-rounds 10 --seeds none,prologue,kernel)
bench_run(padded --shape 8x64x128g1,5x4x8g1 --batch 5,8 --live 5 --pdl off)
bench_run(mamba1 --shape 1x512x16g1 --batch 1,3 --untied --z)
bench_run(varlen ${tiny} --mode varlen --tokens 3)
bench_run(speculative ${tiny} --mode speculative --tokens 3 --state fp32)
foreach(format IN ITEMS int16 int8 fp8)
  bench_run(${format} ${tiny} --state ${format})
  bench_run(${format}_rounding ${tiny} --state ${format} --philox-rounds 10)
  bench_run(${format}_varlen ${tiny} --state ${format} --mode varlen --tokens 3)
  bench_run(${format}_speculative ${tiny} --state ${format} --mode speculative --tokens 3)
endforeach()
bench_run(int8_mamba1 --shape 1x512x16g1 --batch 1,3 --state int8 --untied --z)
foreach(phase IN ITEMS spread mid flush)
  bench_run(checkpoint_${phase} ${tiny} --checkpoint 16 --ring-phase ${phase})
  bench_run(checkpoint_${phase}_varlen ${tiny} --checkpoint 16 --ring-phase ${phase}
            --mode varlen --tokens 3)
  bench_run(checkpoint_${phase}_speculative ${tiny} --checkpoint 16 --ring-phase ${phase}
            --mode speculative --tokens 16)
endforeach()
foreach(format IN ITEMS fp32 fp16 int16 int8 fp8)
  bench_run(checkpoint_${format} ${tiny} --state ${format} --checkpoint 16)
endforeach()
bench_run(checkpoint_rounding ${tiny} --state int8 --checkpoint 5 --philox-rounds 10
          --seeds none,prologue,kernel)
bench_run(checkpoint_padded --shape 5x4x8g1 --batch 5,8 --live 5 --checkpoint 64)
bench_run(between ${tiny} --between kernel)
bench_run(between_early ${tiny} --between early --seeds prologue,kernel)

# Bad input: one line on stderr that has the text, nothing on stdout, a failure as exit status.
function(bench_error name text)
  add_test(NAME bench.error.${name}
    COMMAND ${CMAKE_COMMAND} "-DTEXT=${text}"
            -P ${PROJECT_SOURCE_DIR}/examples/serving_loop/tests/fails.cmake
            -- $<TARGET_FILE:bench> ${ARGN})
endfunction()
bench_error(shape "--shape: expected NHEADSxDIMxDSTATEgNGROUPS" --shape 128x64x128)
bench_error(shape_number "--shape: expected NHEADSxDIMxDSTATEgNGROUPS" --shape 128x64xg8)
bench_error(shape_rest "--shape: expected NHEADSxDIMxDSTATEgNGROUPS" --shape 128x64x128g8x)
bench_error(shape_zero "--shape: expected NHEADSxDIMxDSTATEgNGROUPS" --shape 0x64x128g8)
bench_error(dstate "--shape: expected DSTATE of at most 256" --shape 128x64x512g8)
bench_error(ngroups "--shape: expected NGROUPS that divides NHEADS" --shape 128x64x128g3)
bench_error(slot "--shape: expected state of a multiple of 16 bytes" --shape 1x1x3g1)
bench_error(slot_of_scales "--shape: expected state of a multiple of 16 bytes, and scales of one"
            --state int8 --shape 1x1x16g1)
bench_error(state "--state: expected fp32, fp16, bf16, int16, int8 or fp8, got 'fp4'" --state fp4)
bench_error(io "expected fp32, fp16 or bf16, got 'int8'" --io int8)
bench_error(batch "--batch: expected 1 .." --batch 8,0)
bench_error(batch_number "--batch" --batch 1,many)
bench_error(live "--live: expected 1 .. 2, got 3" --batch 2,4 --live 3)
bench_error(live_none "--live: expected 1 .. 4, got 0" --batch 4 --live 0)
bench_error(mode "--mode: expected plain, varlen or speculative, got 'eager'" --mode eager)
bench_error(tokens "--tokens: expected 1 .. 64, got 0" --mode varlen --tokens 0)
bench_error(tokens_of_plain "--tokens: expected 1 with --mode plain" --tokens 4)
bench_error(rounding "--philox-rounds: expected 0 with --state fp32"
            --state fp32 --philox-rounds 10)
bench_error(philox_rounds "--philox-rounds: expected 3 .. 10" --philox-rounds 11)
bench_error(philox_rounds_too_few "--philox-rounds: expected 3 .. 10, got 2" --philox-rounds 2)
bench_error(pdl "--pdl: expected on or off" --pdl maybe)
bench_error(layers "--layers: expected 1 .." --layers 0)
bench_error(rounds "--rounds: expected 1 .." --rounds 0)
bench_error(between "--between: expected nothing, kernel or early" --between gemm)
bench_error(seeds "--seeds: expected none, prologue or kernel" --seeds torch)
bench_error(seeds_between "--seeds: expected prologue or kernel with --between"
            --seeds none --between kernel)
bench_error(checkpoint "--checkpoint: expected 4 .. 64, got 3"
            --mode varlen --tokens 4 --checkpoint 3)
bench_error(checkpoint_long "--checkpoint: expected 1 .. 64, got 65" --checkpoint 65)
bench_error(checkpoint_tokens "--tokens: expected 1 .. 16, got 17"
            --mode varlen --tokens 17 --checkpoint 32)
bench_error(checkpoint_untied "--checkpoint: expected 0 with --untied, got 16"
            --checkpoint 16 --untied)
bench_error(ring_phase "--ring-phase: expected spread, mid or flush, got 'end'"
            --checkpoint 16 --ring-phase end)
bench_error(ring_phase_alone "--ring-phase: expected --checkpoint beside it" --ring-phase mid)
bench_error(backend "--backend: expected native, triton, flashinfer or automatic"
            --backend reference)
bench_error(algorithm "--backend: expected native" --backend triton:)
bench_error(json "--json: expected a file that can be written" --json absent/report.json)
bench_error(option "--bach" --bach 3)
