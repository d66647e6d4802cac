use super::*;

const SILENCE: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(250);

fn id(number: u8) -> Id {
    Id([number; 16])
}

fn copy(number: u8, phases: &[Phase]) -> Meeting {
    let offer = Offer::new(&format!("host{number}"), phases, None);
    Meeting::new(id(number), id(100 + number), offer, SILENCE)
}

/// Copies that see each other's states late by so many steps.
struct World {
    now: BootInstant,
    copies: Vec<(Meeting, Outcome)>,
    history: Vec<Vec<State>>,
    seen: Vec<(u8, Seen)>,
}

impl World {
    fn new(copies: Vec<Meeting>) -> Self {
        let copies: Vec<_> = copies.into_iter().map(|copy| (copy, Outcome::Waiting)).collect();
        let history = copies.iter().map(|_| Vec::new()).collect();
        Self { now: BootInstant::from_nanos(0), copies, history, seen: Vec::new() }
    }

    /// Lets `steps` pass; `late(reader, writer)` says how many steps late a state is seen.
    fn run(&mut self, steps: usize, late: &mut dyn FnMut(usize, usize) -> usize) {
        for _ in 0..steps {
            self.now = self.now.saturating_add(STEP);
            for (at, (copy, _)) in self.copies.iter().enumerate() {
                self.history[at].push(copy.state.clone());
            }
            for at in 0..self.copies.len() {
                for from in 0..self.copies.len() {
                    let states = &self.history[from];
                    let Some(back) = states.len().checked_sub(1 + late(at, from)) else { continue };
                    let (state, id) = (states[back].clone(), self.copies[from].0.id);
                    self.copies[at].0.heard(id, state, self.now);
                }
                let (copy, outcome) = &mut self.copies[at];
                if *outcome == Outcome::Waiting {
                    let (seen, number) = (&mut self.seen, copy.id.0[0]);
                    *outcome = copy.step(self.now, &mut |what| seen.push((number, what)));
                }
            }
        }
    }

    fn pairs(&self) -> Vec<(u8, u8, bool)> {
        let met = |(copy, outcome): &(Meeting, Outcome)| match outcome {
            Outcome::Met { with, directs } => Some((copy.id.0[0], with.0[0], *directs)),
            _ => None,
        };
        self.copies.iter().filter_map(met).collect()
    }
}

#[test]
fn two_copies_meet_and_the_lower_id_directs() {
    for order in [[1, 2], [2, 1]] {
        let copies = order.map(|number| copy(number, &[Phase::Waiting]));
        let mut world = World::new(copies.into());
        world.run(8, &mut |_, _| 0);
        let mut pairs = world.pairs();
        pairs.sort_unstable();
        assert_eq!(pairs, [(1, 2, true), (2, 1, false)]);
    }
}

#[test]
fn however_many_copies_and_however_late_they_see_each_other_only_pairs_come_of_it() {
    let mut seed = 12_345_u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from((seed >> 33) % below).unwrap()
    };
    for round in 0..300 {
        let count = 2 + random(5);
        let numbers: Vec<u8> = (1..=u8::try_from(count).unwrap()).collect();
        let copies = numbers.iter().map(|number| copy(*number, &[Phase::Concurrent])).collect();
        let mut world = World::new(copies);
        world.run(200, &mut |_, _| random(6));
        world.run(60, &mut |_, _| 0);
        let pairs = world.pairs();
        for (me, with, directs) in &pairs {
            // A copy that accepted may have gone on to somebody else before it was confirmed, which the
            // inviter sees as the end of the link; nobody serves whom he did not agree with.
            if !directs {
                let back = pairs.contains(&(*with, *me, true));
                assert!(back, "round {round}: {me} serves {with}: {pairs:?}");
            }
            assert_ne!(me, with);
        }
        assert!(pairs.len() + 1 >= count / 2 * 2, "round {round}: {count} copies, {pairs:?}");
    }
}

#[test]
fn what_a_dead_copy_left_never_pairs() {
    // It had met this id in another life, but cannot know the nonce of this one.
    let mut me = copy(1, &[Phase::Waiting]);
    let mut dead = copy(2, &[Phase::Waiting]).state;
    dead.heard = vec![(id(1), id(77))];
    dead.chosen = Some(id(1));
    let mut seen = Vec::new();
    let mut now = BootInstant::from_nanos(0);
    me.heard(id(2), dead.clone(), now);
    // A stranger copied this copy's own file.
    me.heard(id(1), me.state.clone(), now);
    for _ in 0..400 {
        now = now.saturating_add(STEP);
        assert_eq!(me.step(now, &mut |what| seen.push(what)), Outcome::Waiting);
        assert_eq!(me.state.chosen, None);
    }
    assert_eq!(seen, [Seen::Leftover { host: "host2".into(), began: 0, removed: false }]);
    assert_eq!(me.dead(now, &|_| true), [id(2)]);
}

#[test]
fn a_copy_whose_process_on_this_host_ended_is_dead_at_once() {
    let mut me = copy(1, &[]);
    me.state.offer.boot = "this".into();
    let mut other = copy(2, &[]).state;
    other.offer.boot = "this".into();
    other.offer.pid = 7;
    let now = BootInstant::from_nanos(0);
    me.heard(id(2), other.clone(), now);
    other.offer.boot = "that".into();
    me.heard(id(3), other, now);
    assert_eq!(me.dead(now, &|offer| offer.pid != 7), [id(2)]);
    assert!(me.dead(now, &|_| true).is_empty());
}

#[test]
fn copies_that_differ_both_say_so_and_a_third_that_fits_is_preferred() {
    let mut world = World::new(vec![copy(1, &[Phase::Waiting]), copy(2, &[Phase::Concurrent])]);
    world.run(80, &mut |at, from| (at + 3 * from) % 4);
    for (copy, outcome) in &world.copies {
        let Outcome::Differs(what) = outcome else { panic!("{:?}: {outcome:?}", copy.id) };
        assert_eq!(what.len(), 1);
        assert!(what[0].contains("(-c)") && what[0].contains("(-w)"), "{what:?}");
    }
    // One that has seen enough and left is not forgotten.
    let (mut one, other) = (copy(1, &[Phase::Waiting]), copy(2, &[Phase::Concurrent]));
    let mut now = BootInstant::from_nanos(0);
    let mut theirs = other.state.clone();
    theirs.heard = vec![(id(1), id(101))];
    one.heard(id(2), theirs, now);
    for _ in 0..10 {
        assert_eq!(one.step(now, &mut |_| {}), Outcome::Waiting);
        now = now.saturating_add(STEP);
    }
    one.forget(id(2));
    assert!(matches!(one.step(now, &mut |_| {}), Outcome::Differs(_)));
    let copies =
        vec![copy(1, &[Phase::Waiting]), copy(2, &[Phase::Concurrent]), copy(3, &[Phase::Waiting])];
    let mut world = World::new(copies);
    world.run(40, &mut |_, _| 0);
    assert_eq!(world.pairs(), [(1, 3, true), (3, 1, false)]);
    assert_eq!(world.copies[1].1, Outcome::Waiting);
    assert!(world.seen.iter().any(|(who, what)| *who == 2 && matches!(what, Seen::Busy { .. })));
}

#[test]
fn each_difference_is_named() {
    let mine = Offer::new("a", &[Phase::Waiting], Some(16));
    let mut theirs = Offer::new("b", &[Phase::Waiting], Some(16));
    assert!(mine.differences(&theirs).is_empty());
    theirs.one_host = true;
    assert_eq!(mine.differences(&theirs).len(), 1);
    assert_eq!(theirs.differences(&mine).len(), 1);
    theirs.one_host = false;
    theirs.pages = None;
    theirs.protocol.1 += 1;
    assert_eq!(mine.differences(&theirs).len(), 2);
    assert_eq!(mine.letters(), "w");
    assert_eq!(Offer::default().letters(), "x");
}
