/// The report of `Samples.entries()`; perplexities, differences and interval ends were checked by
/// hand: document means 1 and 3, moved by 1 and 1½ times the shift; segment means by 1, 1 and 2 times.
let goldenReport = """
  # Language modelling

  5 of 1,029 tokens are scored, in 2 documents (chunks `0123456789ab`); every system scores the same ones.
  Protocol `stream`: a document is read once, segment after segment, with the memory of what came before; all but its first token are scored.

  | system | memory | query | protocol | perplexity per token | per word | per byte | bits per byte | scored tokens | Δ nll to base, memory off |
  | --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |
  | base | off | — | stream | 6.05 [2.72, 20.09] | 6.05 | 2.4596 | 1.2984 | 5 | reference |
  | trained | off | — | stream | 6.05 [2.72, 20.09] | 6.05 | 2.4596 | 1.2984 | 5 | +0.0000 [+0.0000, +0.0000] |
  | trained | random | — | stream | 7.03 [3.08, 24.23] | 7.03 | 2.6512 | 1.4066 | 5 | **+0.1500 [+0.1250, +0.1875]** |
  | trained | retrieved | previous | stream | 5.21 [2.40, 16.65] | 5.21 | 2.2819 | 1.1902 | 5 | **-0.1500 [-0.1875, -0.1250]** |
  | trained | retrieved | current † | stream | 4.48 [2.12, 13.80] † | 4.48 | 2.1170 | 1.0820 | 5 | **-0.3000 [-0.3750, -0.2500]** |

  - † The query is the very text that is predicted: the retriever sees the future, so this number is not a probability and is not comparable with the others.
  - In brackets: percentile bootstrap over the 2 documents (95 %, 1000 resamples, seed 1).
  - With fewer than 10 to draw from, such an interval is rough and mostly too narrow.
  - Where fewer than 6 documents reach a position, differences have an interval over segments of 1024 tokens too: it says how sure they are for these documents, and nothing of others.
  - Δ nll: mean negative log-likelihood per token less that of the same model without adapter and memory, in nats, paired over the same tokens; negative is better, bold excludes 0.
  - Per word and byte: total nll over the words or bytes of the chunks that hold a scored token (a document's unscored first token included); words as len(text.split()), bytes as UTF-8.

  ## By position

  ![Perplexity per token by position in the document](<perplexity.svg>)

  Perplexity per token:

  | system | 0–1k | 1–2k |
  | --- | ---: | ---: |
  | documents | 2 | 1 |
  | scored tokens | 4 | 1 |
  | base, memory off | 3.49 | 54.60 |
  | trained, memory off | 3.49 | 54.60 |
  | trained, random | 3.96 | 70.11 |
  | trained, retrieved (previous) | 3.08 | 42.52 |
  | trained, retrieved (current) † | 2.72 | 33.12 |

  Δ nll to base, memory off:

  | system | interval over | all | 0–1k | 1–2k |
  | --- | --- | ---: | ---: | ---: |
  | trained, memory off | documents | +0.0000 [+0.0000, +0.0000] | +0.0000 [+0.0000, +0.0000] | +0.0000 |
  | trained, memory off | segments | +0.0000 [+0.0000, +0.0000] | +0.0000 [+0.0000, +0.0000] | +0.0000 |
  | trained, random | documents | **+0.1500 [+0.1250, +0.1875]** | **+0.1250 [+0.1250, +0.1250]** | +0.2500 |
  | trained, random | segments | **+0.1500 [+0.1250, +0.2500]** | **+0.1250 [+0.1250, +0.1250]** | +0.2500 |
  | trained, retrieved (previous) | documents | **-0.1500 [-0.1875, -0.1250]** | **-0.1250 [-0.1250, -0.1250]** | -0.2500 |
  | trained, retrieved (previous) | segments | **-0.1500 [-0.2500, -0.1250]** | **-0.1250 [-0.1250, -0.1250]** | -0.2500 |
  | trained, retrieved (current) † | documents | **-0.3000 [-0.3750, -0.2500]** | **-0.2500 [-0.2500, -0.2500]** | -0.5000 |
  | trained, retrieved (current) † | segments | **-0.3000 [-0.5000, -0.2500]** | **-0.2500 [-0.2500, -0.2500]** | -0.5000 |

  What retrieval brings: Δ nll to the same system with the memory off or with other chunks, paired over the same tokens:

  | difference | interval over | all | 0–1k | 1–2k |
  | --- | --- | ---: | ---: | ---: |
  | trained: retrieved (previous) − off | documents | **-0.1500 [-0.1875, -0.1250]** | **-0.1250 [-0.1250, -0.1250]** | -0.2500 |
  | trained: retrieved (previous) − off | segments | **-0.1500 [-0.2500, -0.1250]** | **-0.1250 [-0.1250, -0.1250]** | -0.2500 |
  | trained: retrieved (previous) − random | documents | **-0.3000 [-0.3750, -0.2500]** | **-0.2500 [-0.2500, -0.2500]** | -0.5000 |
  | trained: retrieved (previous) − random | segments | **-0.3000 [-0.5000, -0.2500]** | **-0.2500 [-0.2500, -0.2500]** | -0.5000 |
  | trained: retrieved (current) − off † | documents | **-0.3000 [-0.3750, -0.2500]** | **-0.2500 [-0.2500, -0.2500]** | -0.5000 |
  | trained: retrieved (current) − off † | segments | **-0.3000 [-0.5000, -0.2500]** | **-0.2500 [-0.2500, -0.2500]** | -0.5000 |
  | trained: retrieved (current) − random † | documents | **-0.4500 [-0.5625, -0.3750]** | **-0.3750 [-0.3750, -0.3750]** | -0.7500 |
  | trained: retrieved (current) − random † | segments | **-0.4500 [-0.7500, -0.3750]** | **-0.3750 [-0.3750, -0.3750]** | -0.7500 |

  ![Paired differences by position](<differences.svg>)

  ## Systems

  | system | model | adapter | k | memory tokens | eviction | reset | query tokens | block tokens | seed | layout | keys and values of | read by layers | positions |
  | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
  | base, memory off | tiny `aaaabbbbcccc` | — | — | — | — | — | — | — | — | — | — | — | — |
  | trained, memory off | tiny `aaaabbbbcccc` | stage2 `stage2-diges` | — | — | — | — | — | — | — | — | — | — | — |
  | trained, random | tiny `aaaabbbbcccc` | stage2 `stage2-diges` | 8 | 32768 | counter | document | — | 1024 | 3 | — | — | — | — |
  | trained, retrieved (previous) | tiny `aaaabbbbcccc` | stage2 `stage2-diges` | 8 | 32768 | counter | document | 1024 | 1024 | — | — | — | — | — |
  | trained, retrieved (current) | tiny `aaaabbbbcccc` | stage2 `stage2-diges` | 8 | 32768 | counter | document | 1024 | 1024 | — | — | — | — | — |

  ## Provenance

  | system | results | chunks | plan | scored by | steps |
  | --- | --- | --- | --- | --- | --- |
  | base, memory off | a.json | `0123456789ab` | — | ml-eval 0.1.0 | 1 |
  | trained, memory off | b.json | `0123456789ab` | — | ml-eval 0.1.0 | 1 |
  | trained, random | c.json | `0123456789ab` | `random-previ` | ml-eval 0.1.0 | 1 |
  | trained, retrieved (previous) | d.json | `0123456789ab` | `nearest-prev` | ml-eval 0.1.0 | 1 |
  | trained, retrieved (current) | e.json | `0123456789ab` | `nearest-curr` | ml-eval 0.1.0 | 1 |

  The steps, each input named by its digest:

  ```text
  1: ml-chunk --field 'the text'  # 0.1.0, reads feedfacefeed
  ```

  ## Commands

  ```sh
  make PIPELINE=tiny
  ```

  """
