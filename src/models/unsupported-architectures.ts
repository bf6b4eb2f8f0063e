/** Architectures whose names are known, and what of them is not: a refusal says it, so that no one looks for a misspelt name. */

/** By what they need, the names of Hugging Face's folders and of GGUF files. */
const NEEDS: Readonly<Record<string, readonly string[]>> = {
  Mamba2: [
    'mamba2', 'nemotron_h', 'nemotron_h_moe', 'nemotron_h_omni', 'granitemoehybrid', 'granitehybrid', 'falcon_h1', 'falcon-h1', 'bamba',
    'zamba2', 'plamo2',
  ],
  Mamba: ['mamba', 'falcon_mamba', 'jamba', 'zamba'],
  'latent attention': [
    'deepseek_v2', 'deepseek_v3', 'deepseek_v32', 'deepseek2', 'deepseek2-ocr', 'deepseek32', 'glm4_moe_lite', 'glm_moe_dsa', 'glm-dsa',
    'kimi_k2', 'kimi_linear', 'kimi-linear', 'kimi-k3', 'longcat_flash', 'minicpm3', 'mistral4', 'plm', 'youtu',
  ],
};

/** What an architecture needs that is not here; undefined for a name that means nothing here. */
export function unmetNeedOf(architecture: string): string | undefined {
  return Object.keys(NEEDS).find((need) => NEEDS[need]?.includes(architecture));
}
