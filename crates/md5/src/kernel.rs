//! The compression function, written once and expanded for each kind of vector.

/// 64 bytes, which the compression function takes at a time.
pub(crate) type Block = [u8; 64];

/// The four words of the state; `[word][lane]`.
pub(crate) type State<const N: usize> = [[u32; N]; 4];

/// What lane reads what.
pub(crate) type Inputs<'a, const N: usize> = [&'a [Block]; N];

/// The state before the first block (RFC 1321, 3.3).
pub(crate) const INITIAL: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// The constants of the 64 steps (RFC 1321, 3.4).
///
/// Read through `black_box`: a compiler that knows them adds them last, where each would make the
/// chain of steps that wait for each other one addition longer (a fifth slower, measured).
#[rustfmt::skip]
pub(crate) static CONSTANTS: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee,
    0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be,
    0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa,
    0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed,
    0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c,
    0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05,
    0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039,
    0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1,
    0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

/// Expands to the compression function of the module, which has `Vector`, `LANES` and the
/// operations on vectors: `splat`, `load`, `store`, `add`, `rotate`, `transpose`, and `f`, `g`,
/// `h`, `i` of the RFC.
///
/// Takes the feature that they need, how to inline the rounds, and which numbers of vectors may be
/// interleaved: the steps of one vector wait for each other, those of another fill the gaps.
macro_rules! kernel {
    ([$($feature:meta)?] [$inline:meta] [$($groups:literal)*]) => {
        /// Adds one block of each lane to the states of `G` interleaved vectors.
        $(#[$feature])?
        #[$inline]
        fn rounds<const G: usize>(
            state: &mut [[Vector; G]; 4],
            x: &[[Vector; G]; 16],
            k: &[u32; 64],
        ) {
            let [mut a, mut b, mut c, mut d] = *state;
            macro_rules! step {
                ($f:ident $a:ident $b:ident $c:ident $d:ident $s:literal $x:literal $k:expr) => {
                    let constant = splat(k[$k]);
                    for g in 0..G {
                        let sum = add(add(add($a[g], constant), x[$x][g]), $f($b[g], $c[g], $d[g]));
                        $a[g] = add($b[g], rotate::<$s, { 32 - $s }>(sum));
                    }
                };
            }
            macro_rules! four {
                ($f:ident [$s0:literal $s1:literal $s2:literal $s3:literal]
                 [$x0:literal $x1:literal $x2:literal $x3:literal] $k:literal) => {
                    step!($f a b c d $s0 $x0 $k);
                    step!($f d a b c $s1 $x1 $k + 1);
                    step!($f c d a b $s2 $x2 $k + 2);
                    step!($f b c d a $s3 $x3 $k + 3);
                };
            }
            four!(f [7 12 17 22] [0 1 2 3] 0);
            four!(f [7 12 17 22] [4 5 6 7] 4);
            four!(f [7 12 17 22] [8 9 10 11] 8);
            four!(f [7 12 17 22] [12 13 14 15] 12);
            four!(g [5 9 14 20] [1 6 11 0] 16);
            four!(g [5 9 14 20] [5 10 15 4] 20);
            four!(g [5 9 14 20] [9 14 3 8] 24);
            four!(g [5 9 14 20] [13 2 7 12] 28);
            four!(h [4 11 16 23] [5 8 11 14] 32);
            four!(h [4 11 16 23] [1 4 7 10] 36);
            four!(h [4 11 16 23] [13 0 3 6] 40);
            four!(h [4 11 16 23] [9 12 15 2] 44);
            four!(i [6 10 15 21] [0 7 14 5] 48);
            four!(i [6 10 15 21] [12 3 10 1] 52);
            four!(i [6 10 15 21] [8 15 6 13] 56);
            four!(i [6 10 15 21] [4 11 2 9] 60);
            for g in 0..G {
                state[0][g] = add(state[0][g], a[g]);
                state[1][g] = add(state[1][g], b[g]);
                state[2][g] = add(state[2][g], c[g]);
                state[3][g] = add(state[3][g], d[g]);
            }
        }

        /// Adds the first `count` blocks of each of the first `live` inputs to the state of its
        /// lane.
        ///
        /// Each input has at least `count` blocks. The states of further lanes become anything.
        $(#[$feature])?
        pub(crate) fn compress_live<const N: usize>(
            live: usize,
            state: &mut State<N>,
            inputs: &Inputs<'_, N>,
            count: usize,
        ) {
            match live.div_ceil(LANES) {
                $($groups => compress::<N, $groups>(state, inputs, count),)*
                _ => {}
            }
        }

        /// Adds the first `count` blocks of each input to the state of its lane, for the first
        /// `G * LANES` lanes. Each of these inputs has at least `count` blocks.
        $(#[$feature])?
        fn compress<const N: usize, const G: usize>(
            state: &mut State<N>,
            inputs: &Inputs<'_, N>,
            count: usize,
        ) {
            let mut vectors = [[splat(0); G]; 4];
            for (vectors, words) in vectors.iter_mut().zip(&*state) {
                for (vector, words) in vectors.iter_mut().zip(words.as_chunks().0) {
                    *vector = load(words);
                }
            }
            let constants = core::hint::black_box(&CONSTANTS);
            for block in 0..count {
                let mut words = [[splat(0); G]; 16];
                for g in 0..G {
                    let blocks = core::array::from_fn(|lane| &inputs[g * LANES + lane][block]);
                    let transposed = transpose(blocks);
                    for (words, word) in words.iter_mut().zip(transposed) {
                        words[g] = word;
                    }
                }
                rounds(&mut vectors, &words, constants);
            }
            for (vectors, words) in vectors.iter().zip(state) {
                for (vector, words) in vectors.iter().zip(words.as_chunks_mut().0) {
                    *words = store(*vector);
                }
            }
        }
    };
}
pub(crate) use kernel;
