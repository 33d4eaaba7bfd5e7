# decode_block as a test: whole runs on the smallest model, and bad input.

# Each ends with the check against run_eager and the CPU, or fails.
function(decode_block_run name)
  add_test(NAME decode_block.cuda.${name}
    COMMAND decode_block --model tiny --rounds 3 --check 3 ${ARGN})
  set_tests_properties(decode_block.cuda.${name} PROPERTIES TIMEOUT 120
    SKIP_REGULAR_EXPRESSION "expected a CUDA device, got none")
endfunction()
decode_block_run(plain --batch 1,3,8)
decode_block_run(rounding --batch 5,64 --stochastic-rounding)
decode_block_run(fp32 --batch 3 --state-dtype fp32)
decode_block_run(int16 --batch 1,3,8 --state-dtype int16)
decode_block_run(int8_rounding --batch 5,64 --state-dtype int8 --stochastic-rounding)
decode_block_run(fp8 --batch 1,3,8 --state-dtype fp8)
decode_block_run(checkpoint --batch 1,3,40 --checkpoint 16)
decode_block_run(checkpoint_often --batch 5,33 --checkpoint 2 --state-dtype fp16)
decode_block_run(checkpoint_rounding --batch 5,33 --checkpoint 8 --state-dtype int8
                 --stochastic-rounding)
decode_block_run(one_layer --batch 2 --layers 1)
decode_block_run(many_layers --batch 7,33 --layers 40)

# Bad input: one line on stderr that has the text, nothing on stdout, a failure as exit status.
function(decode_block_error name text)
  add_test(NAME decode_block.error.${name}
    COMMAND ${CMAKE_COMMAND} "-DTEXT=${text}"
            -P ${CMAKE_CURRENT_SOURCE_DIR}/serving_loop/tests/fails.cmake
            -- $<TARGET_FILE:decode_block> ${ARGN})
endfunction()
decode_block_error(model "--model: expected one of tiny, nemotron-h-8b," --model nemotron)
decode_block_error(layers "--layers: expected 1 .." --layers 0)
decode_block_error(state_dtype "--state-dtype: expected fp32, fp16, bf16, int16, int8 or fp8, got fp4"
                   --state-dtype fp4)
decode_block_error(batch "--batch: expected 1 .." --batch 8,0)
decode_block_error(batch_twice "buckets: expected each once, got 8 twice" --batch 8,1,8)
decode_block_error(checkpoint "--checkpoint: expected 0 .. 64, got 65" --checkpoint 65)
decode_block_error(check "--check: expected 0 .." --check -1)
decode_block_error(rounds "--rounds: expected 1 .." --rounds 0)
decode_block_error(backend "backend: expected" --model tiny --backend nobodys)
decode_block_error(json "--json: expected a file" --json absent/report.json)
decode_block_error(option "--bach" --bach 3)
