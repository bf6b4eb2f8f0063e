# All that hears here, in turns, on a quiet machine (about four minutes on two cores): Moonshine beside onnxruntime on the files that its
# weights were made of, Whisper's shapes beside whisper.cpp, and how late texts are behind pauses.
# bash bench/hear-rivals.sh FOLDER ONNX_FOLDER NODE_MODULES WHISPER_CPP_BUILD OUT.jsonl (bench/README.md says where these come from)
set -u
FOLDER=$1 ONNX=$2 MODULES=$3 WHISPER=$4 OUT=$5
MODEL=$(node dist/cli/main.js pull moonshine-tiny-en)
FILES=$(mktemp -d)
trap 'rm -rf "$FILES"' EXIT
for threads in 1 2; do
  node bench/hear.mjs "$FOLDER" --model "$MODEL" --threads $threads --rounds 3 --out "$OUT" | tail -7
  for runtime in node web; do
    node bench/hear-onnx.mjs "$FOLDER" --onnx "$ONNX" --modules "$MODULES" --runtime $runtime --threads $threads --rounds 3 --out "$OUT" | tail -7
  done
done
node bench/hear-shapes.mjs base --whisper-cpp "$WHISPER" --type f16 --folder "$FILES" --out "$OUT"
# whisper.cpp's quantised file, where its tool for that was built; large-v3-turbo takes its whisper-bench tens of minutes on two cores.
[ -x "$WHISPER/bin/whisper-quantize" ] &&
  node bench/hear-shapes.mjs base --whisper-cpp "$WHISPER" --type q8_0 --folder "$FILES" --out "$OUT"
node bench/hear-live.mjs "$FOLDER/speech-60s.wav" --model "$MODEL" --out "$OUT"
