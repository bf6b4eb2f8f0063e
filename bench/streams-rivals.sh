#!/usr/bin/env bash
# Streams, turns and an interrupted stream beside llama.cpp, in one run, ordered by worth: what is cut off at the end matters least.
#   bash bench/streams-rivals.sh OUT            on a GPU, with dist/ and peers/gpu (bench/README.md): about four minutes
#   DEVICE=cpu LARGE=a.gguf SMALL=b.gguf SIZES="--stream-prompt 32 --stream-answer 8 --arriving-prompt 64" \
#     bash bench/streams-rivals.sh OUT          to try it
# LARGE and SMALL name files; without them Qwen3-4B and Qwen3-0.6B are made of random weights. OUT gets streams-rivals.jsonl and its log.
set -u
out=${1:?where results go}
mkdir -p "$out"
ingot="node dist/cli/main.js"
bins=peers/gpu/node_modules/@node-llama-cpp/linux-x64-vulkan/bins/linux-x64-vulkan
export LLAMA_BATCHED_BENCH=${LLAMA_BATCHED_BENCH:-$bins/llama-batched-bench}
made() { [ -f "/tmp/$1.gguf" ] || timeout 60 $ingot synth "$1" --type q4_0 -o "/tmp/$1.gguf" >&2; echo "/tmp/$1.gguf"; }
large=${LARGE:-$(made qwen3-4b)}
small=${SMALL:-$(made qwen3-0.6b)}
begin=$SECONDS
# part SECONDS MODEL OPTIONS...
part() {
  local limit=$1 model=$2
  shift 2
  echo "== $((SECONDS - begin)) s: $(basename "$model") $*"
  timeout "$limit" $ingot bench "$model" --device "${DEVICE:-gpu}" --pause 0.5 ${SIZES:-} --json "$out/streams-rivals.jsonl" "$@"
}
{
  part 80 "$large" --workloads concurrency --streams 1,16 --runs 1 --against llama-batched-bench
  part 80 "$small" --workloads concurrency --streams 1,4,16,64 --runs 1 --against llama-batched-bench
  part 90 "$large" --workloads concurrency --streams 4,64 --runs 1 --against llama-batched-bench
  part 25 "$large" --workloads interruption --runs 2
  part 45 "$large" --workloads turns --runs 2 --against llama.cpp
  echo "== $((SECONDS - begin)) s: the end"
} 2>&1 | tee "$out/streams-rivals.log"
