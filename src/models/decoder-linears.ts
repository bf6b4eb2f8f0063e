/** The matrices of a layer and their names: the graph's, GGUF's after `blk.N.`, and Hugging Face's after `model.layers.N.`. */
export const LINEARS = {
  q: { id: 'attn.q', gguf: 'attn_q', safetensors: 'self_attn.q_proj' },
  k: { id: 'attn.k', gguf: 'attn_k', safetensors: 'self_attn.k_proj' },
  v: { id: 'attn.v', gguf: 'attn_v', safetensors: 'self_attn.v_proj' },
  o: { id: 'attn.o', gguf: 'attn_output', safetensors: 'self_attn.o_proj' },
  gate: { id: 'mlp.gate', gguf: 'ffn_gate', safetensors: 'mlp.gate_proj' },
  up: { id: 'mlp.up', gguf: 'ffn_up', safetensors: 'mlp.up_proj' },
  down: { id: 'mlp.down', gguf: 'ffn_down', safetensors: 'mlp.down_proj' },
} as const;

export type LinearName = keyof typeof LINEARS;

export const ATTENTION_LINEARS = ['q', 'k', 'v', 'o'] as const satisfies readonly LinearName[];
export const MLP_LINEARS = ['gate', 'up', 'down'] as const satisfies readonly LinearName[];
