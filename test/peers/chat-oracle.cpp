// What llama.cpp makes of chats and answers: compiled by chat-oracle.ts against the library that node-llama-cpp carries.
// A request is a line of JSON on stdin, an answer a line on stdout:
//   {"template": source}                             another template from here on
//   {"messages": [...], "tools": [...], "thinking"}  {"prompt", "generationPrompt"}; its parser reads what follows
//   {"text": answer, "ends": [bytes, ...]}           {"messages": [...]}: of each beginning; one that is the whole text is over
// What fails answers {"error": reason}.
#include "chat.h"
#include <iostream>

namespace {

struct State {
    common_chat_templates_ptr templates;
    common_chat_params        params;
    common_peg_arena          arena;
};

common_json messageOf(const common_chat_msg & message) {
    common_json calls = common_json::array();
    for (const auto & call : message.tool_calls) {
        common_json one = common_json::object();
        one["name"]      = call.name;
        one["arguments"] = call.arguments;
        calls.push_back(one);
    }
    common_json result = common_json::object();
    result["content"]   = message.content;
    result["reasoning"] = message.reasoning_content;
    result["calls"]     = calls;
    return result;
}

common_json render(State & state, const common_json & request) {
    common_chat_templates_inputs inputs;
    inputs.messages            = common_chat_msgs_parse_oaicompat(request.at("messages"));
    inputs.parallel_tool_calls = true;
    inputs.reasoning_format    = COMMON_REASONING_FORMAT_AUTO;
    inputs.enable_thinking     = request.value("thinking", true);
    // A fixed day, as templates may tell it.
    inputs.now = std::chrono::system_clock::from_time_t(request.value("now", (int64_t) 0));
    if (request.contains("tools")) inputs.tools = common_chat_tools_parse_oaicompat(request.at("tools"));
    state.params = common_chat_templates_apply(state.templates.get(), inputs);
    state.arena  = common_peg_arena();
    state.arena.load(state.params.parser);
    common_json result = common_json::object();
    result["prompt"]           = state.params.prompt;
    result["generationPrompt"] = state.params.generation_prompt;
    return result;
}

common_json parse(const State & state, const common_json & request) {
    const std::string               text = request.at("text").get<std::string>();
    const common_chat_parser_params params(state.params);
    common_json                     messages = common_json::array();
    for (const auto & end : request.at("ends")) {
        const size_t length = end.get<int64_t>();
        common_json one = common_json::object();
        try {
            one = messageOf(common_chat_peg_parse(state.arena, text.substr(0, length), length < text.size(), params));
        } catch (const std::exception & error) {
            one["error"] = error.what();
        }
        messages.push_back(one);
    }
    common_json result = common_json::object();
    result["messages"] = messages;
    return result;
}

common_json answer(State & state, const common_json & request) {
    if (request.contains("template")) {
        state.templates = common_chat_templates_init(nullptr, request.at("template").get<std::string>(), "<s>", "</s>");
        return common_json::object();
    }
    return request.contains("messages") ? render(state, request) : parse(state, request);
}

}  // namespace

int main() {
    State       state;
    std::string line;
    while (std::getline(std::cin, line)) {
        common_json result = common_json::object();
        try {
            result = answer(state, common_json::parse(line));
        } catch (const std::exception & error) {
            result["error"] = error.what();
        }
        std::cout << result.dump_safe() << "\n";
    }
}
