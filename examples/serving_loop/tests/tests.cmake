# serving_loop as a test: its parts, whole runs, and bad input.

find_package(GTest REQUIRED)
include(GoogleTest)

add_executable(serving_loop_tests
  serving_loop/tests/checker.test.cpp
  serving_loop/tests/comparison.test.cpp
  serving_loop/tests/models.test.cpp
  serving_loop/tests/report.test.cpp
  serving_loop/tests/scheduler.test.cpp
  serving_loop/tests/trace.test.cpp)
ssugraph_settings(serving_loop_tests)
target_include_directories(serving_loop_tests PRIVATE serving_loop)
target_link_libraries(serving_loop_tests PRIVATE serving_loop_parts GTest::gtest_main)
gtest_discover_tests(serving_loop_tests
  DISCOVERY_MODE PRE_TEST NO_PRETTY_VALUES TEST_PREFIX serving_loop. PROPERTIES TIMEOUT 120)

# Whole runs. Each ends with the check of four requests in every layer, or fails. Mamba-1 has no
# tiny model: one rank of 512 is tiny.
function(serving_loop_run name)
  add_test(NAME serving_loop.host.${name} COMMAND serving_loop --target host --check 4 ${ARGN})
  add_test(NAME serving_loop.cuda.${name} COMMAND serving_loop --target cuda --check 4 ${ARGN})
  set_tests_properties(serving_loop.host.${name} serving_loop.cuda.${name} PROPERTIES TIMEOUT 120)
  set_tests_properties(serving_loop.cuda.${name} PROPERTIES
    SKIP_REGULAR_EXPRESSION "expected a CUDA device, got none")
endfunction()
serving_loop_run(plain --model tiny)
serving_loop_run(rounding --model tiny --stochastic-rounding)
serving_loop_run(rounding_fp16 --model tiny --state-dtype fp16 --stochastic-rounding)
serving_loop_run(queueing --model tiny --state-dtype fp32 --max-batch 5)
serving_loop_run(speculative --model tiny --speculative 3 --stochastic-rounding)
serving_loop_run(mamba1 --model falcon-mamba-7b --tp 512)
serving_loop_run(int16 --model tiny --state-dtype int16)
serving_loop_run(int8_rounding --model tiny --state-dtype int8 --stochastic-rounding)
serving_loop_run(fp8_speculative --model tiny --state-dtype fp8 --speculative 3
                 --stochastic-rounding)
serving_loop_run(checkpoint --model tiny --checkpoint 16)
serving_loop_run(checkpoint_queueing --model tiny --checkpoint 5 --state-dtype fp32 --max-batch 5)
serving_loop_run(checkpoint_longest --model tiny --checkpoint 64 --speculative 16)
foreach(format IN ITEMS fp16 bf16 int16 int8 fp8)
  serving_loop_run(checkpoint_${format}_rounding --model tiny --checkpoint 16 --speculative 3
                   --state-dtype ${format} --stochastic-rounding)
endforeach()
serving_loop_run(int8_mamba1 --model falcon-mamba-7b --tp 512 --state-dtype int8)

set(scripts ${CMAKE_CURRENT_SOURCE_DIR}/serving_loop/tests)
add_test(NAME serving_loop.repeats
  COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:serving_loop>
          -DFOLDER=${CMAKE_CURRENT_BINARY_DIR} -P ${scripts}/repeats.cmake)

# Bad input: one line on stderr that has the text, nothing on stdout, a failure as exit status.
function(serving_loop_error name text)
  add_test(NAME serving_loop.error.${name}
    COMMAND ${CMAKE_COMMAND} "-DTEXT=${text}" -P ${scripts}/fails.cmake
            -- $<TARGET_FILE:serving_loop> ${ARGN})
endfunction()
function(serving_loop_bad_trace name text)
  set(trace ${CMAKE_CURRENT_BINARY_DIR}/${name}.csv)
  list(JOIN ARGN "\n" lines)
  file(WRITE ${trace} "${lines}")
  serving_loop_error(trace_${name} "${trace}${text}" --target host --trace ${trace})
endfunction()

set(header "TIMESTAMP,ContextTokens,GeneratedTokens")
set(line "2023-11-16 18:17:03.9799600,4808,10")
serving_loop_bad_trace(malformed ":3: expected" ${header} ${line} "2023-11-16 18:17:04,many,10")
serving_loop_bad_trace(truncated ":4: expected" ${header} ${line} ${line} "2023-11-16 18:17:0")
serving_loop_bad_trace(without_tokens ":2: expected" ${header} "2023-11-16 18:17:03,4808,0")
serving_loop_bad_trace(backwards ":3: expected" ${header} ${line} "2023-11-16 18:17:03,4808,10")
serving_loop_error(trace_absent "--trace: expected a file" --target host --trace absent.csv)
serving_loop_error(model "tiny, nemotron-h-8b," --target host --model nemotron)
serving_loop_error(tp "--tp: expected a divisor of the 4 heads" --target host --tp 3)
serving_loop_error(target "--target: expected cuda or host" --target gpu)
serving_loop_error(backend "--backend: expected reference" --target host --backend native)
serving_loop_error(state_dtype "--state-dtype: expected fp32, fp16, bf16, int16, int8 or fp8, got fp4"
                   --target host --state-dtype fp4)
serving_loop_error(rounding "rounding" --target host --state-dtype fp32 --stochastic-rounding)
serving_loop_error(json "--json: expected a file" --target host --json absent/report.json)
serving_loop_error(max_batch "--max-batch: expected 1 .." --target host --max-batch 0)
serving_loop_error(checkpoint "--checkpoint: expected 3 .. 64, got 2"
                   --target host --speculative 3 --checkpoint 2)
serving_loop_error(checkpoint_tokens "--speculative: expected 0 .. 16, got 17"
                   --target host --speculative 17 --checkpoint 32)
serving_loop_error(checkpoint_mamba1 "--checkpoint: expected 0 with falcon-mamba-7b, a Mamba-1 model"
                   --target host --model falcon-mamba-7b --tp 512 --checkpoint 16)
serving_loop_error(option "--bach" --target host --bach 3)
