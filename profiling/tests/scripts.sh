#!/usr/bin/env bash
# nsys.sh and ncu.sh without the tools: stand-ins on the PATH write down how they are called.

set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

expect() { # text that must be in it, file
  grep -qF -- "$1" "$2" || {
    echo "expected '$1' in:"
    cat "$2"
    exit 1
  }
}
expect_failure() { # text, command...
  if "${@:2}" &>output; then
    echo "expected a failure: ${*:2}"
    exit 1
  fi
  expect "$1" output
}

# Whatever of a CUDA toolkit the PATH has, it has no ncu and no nsys here.
mkdir empty
for tool in bash dirname grep rm; do ln -s "$(command -v $tool)" empty/; done
expect_failure "there is no nsys" env PATH="$work/empty" "$scripts/nsys.sh" program
expect_failure "there is no ncu" env PATH="$work/empty" "$scripts/ncu.sh" program
expect_failure "expected a program" "$scripts/nsys.sh" -o name
expect_failure "-o: expected a name" "$scripts/nsys.sh" -o
expect_failure "expected a program" "$scripts/ncu.sh" -b 8
expect_failure "-b: expected a bucket, got 'x'" "$scripts/ncu.sh" -b x program
expect_failure "-n: expected a number above 0, got '0'" "$scripts/ncu.sh" -n 0 program
expect_failure "unknown option or missing value: -z" "$scripts/ncu.sh" -z program

mkdir tools
cat >tools/ncu <<'STAND_IN'
#!/usr/bin/env bash
printf '%s\n' "$@" >>called
case $1 in
  --import)
    echo '==PROF== a line that is not a table'
    echo '"ID","Kernel Name","Grid Size","Block Size","gpu__time_duration.sum","launch__registers_per_thread"'
    echo '"","","","","us","register/thread"'
    echo '"0","ssu_kernel<a, b>(c)","(8, 128, 4)","(128, 1, 1)","12.35","62"'
    ;;
  *) [[ $* == *absent* ]] || touch ssu.ncu-rep ;;
esac
STAND_IN
cat >tools/nsys <<'STAND_IN'
#!/usr/bin/env bash
printf '%s\n' "$@" >>called
[[ $1 == profile ]] || printf ' Time (%%)  Total  Range\n ---\n 90.0  1  ssugraph:replay 8\n 10.0  1  other\n'
STAND_IN
chmod +x tools/*
export PATH=$work/tools:$PATH

"$scripts/ncu.sh" -b 8 -s 2 program --option >output
expect "ssugraph@replay 8/" called
expect "--kernel-name=regex:ssu" called
expect "--clock-control=none" called
expect "--launch-skip=2" called
expect "--option" called
expect "== ssu_kernel<a, b>(c)" output
expect "   grid (8, 128, 4), block (128, 1, 1)" output
expect "   time                         12.35 us" output
expect "   registers a thread           62 register/thread" output
expect_failure "no kernel that matches 'ssu' was profiled anywhere" "$scripts/ncu.sh" absent

"$scripts/nsys.sh" program --option >output
expect "--cuda-graph-trace=node" called
expect "--option" called
expect "ssugraph:replay 8" output
echo "profiling scripts: all as expected"
