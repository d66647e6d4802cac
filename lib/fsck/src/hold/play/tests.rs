use super::*;
use crate::finding::Verdict;

const SECOND: Duration = Duration::from_secs(1);

/// Two copies whose words arrive at once, and a lock.
struct Stage {
    now: BootInstant,
    plays: [Play; 2],
    scenes: [Vec<Scene>; 2],
    told: [Option<Told>; 2],
    released: bool,
}

impl Stage {
    /// The first copy holds the lock, the second waits.
    fn new() -> Self {
        let now = BootInstant::from_nanos(0);
        let mut plays = [(); 2].map(|()| Play::new(Limits::default(), now));
        plays[0].lock(&Event::Held, now);
        plays[1].lock(&Event::Waiting, now);
        let (scenes, told) = Default::default();
        Self { now, plays, scenes, told, released: false }
    }

    fn begin(&mut self) {
        self.plays[1].begin(self.now);
        self.plays[0].heard(&Manual::Begin, self.now);
    }

    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now = self.now.saturating_add(SECOND);
            for at in 0..2 {
                if self.told[at].is_some() {
                    continue;
                }
                let released = &mut self.released;
                let step = self.plays[at].decide(self.now, &mut || *released = true);
                if let Some(word) = step.say {
                    self.plays[1 - at].heard(&word, self.now);
                }
                self.scenes[at].extend(step.scene);
                self.told[at] = step.told;
            }
        }
    }

    fn verdicts(&self) -> [Option<Verdict>; 2] {
        [0, 1].map(|at| self.told[at].as_ref().map(|told| told.verdict))
    }
}

#[test]
fn a_lock_that_is_released_goes_to_the_other_copy() {
    let mut stage = Stage::new();
    stage.run(5);
    stage.begin();
    stage.run(5);
    assert_eq!(stage.scenes, [vec![Scene::Press], vec![Scene::Wait]]);
    assert_eq!(stage.verdicts(), [None, None]);
    stage.plays[0].pressed();
    stage.run(2);
    assert!(stage.released);
    stage.plays[1].lock(&Event::Got, stage.now);
    stage.run(2);
    assert_eq!(stage.verdicts(), [Some(Verdict::Pass); 2]);
    assert_eq!(stage.scenes[0][1..], [Scene::Released, Scene::OtherGot]);
    assert_eq!(stage.scenes[1][1..], [Scene::OtherReleased, Scene::Got]);
}

#[test]
fn without_people_it_is_released_all_the_same() {
    let mut stage = Stage::new();
    stage.plays[0].pressed();
    stage.plays[1].pressed();
    stage.run(2);
    assert!(!stage.released, "it was released before the automatic checks were over");
    stage.begin();
    stage.run(3);
    assert!(stage.released);
    let mut stage = Stage::new();
    stage.begin();
    stage.run(Limits::default().people.as_secs() + 5);
    assert!(stage.released);
}

#[test]
fn a_holder_that_is_killed_afterwards_is_a_pass_and_before_it_is_not_tested() {
    for begun in [true, false] {
        let mut stage = Stage::new();
        if begun {
            stage.begin();
        }
        stage.run(3);
        stage.plays[1].lost("killed", stage.now);
        stage.run(20);
        assert!(stage.told[1].is_none());
        stage.plays[1].lock(&Event::Got, stage.now);
        stage.run(1);
        let told = stage.told[1].clone().unwrap();
        let expected = if begun { Verdict::Pass } else { Verdict::NotTested };
        assert_eq!((told.verdict, told.series[0].seconds[0]), (expected, 20.0), "{told:?}");
        assert!(stage.scenes[1].contains(&Scene::OtherGone("killed".into())));
    }
}

#[test]
fn a_lock_that_does_not_come_is_a_failure() {
    let mut stage = Stage::new();
    stage.begin();
    stage.plays[0].pressed();
    stage.run(400);
    assert_eq!(stage.verdicts(), [Some(Verdict::Fail); 2]);
    let mut stage = Stage::new();
    stage.begin();
    stage.run(3);
    stage.plays[1].lost("power", stage.now);
    stage.run(400);
    assert_eq!(stage.told[1].as_ref().unwrap().verdict, Verdict::Fail);
}

#[test]
fn two_holders_are_a_failure_on_both_sides() {
    let mut stage = Stage::new();
    stage.plays[1].lock(&Event::Held, stage.now);
    stage.begin();
    stage.run(3);
    assert_eq!(stage.verdicts(), [Some(Verdict::Fail); 2]);
    // Granted later although nobody let it go.
    let mut stage = Stage::new();
    stage.begin();
    stage.run(3);
    stage.plays[1].lock(&Event::Got, stage.now);
    stage.run(60);
    assert_eq!(stage.told[1].as_ref().unwrap().verdict, Verdict::Fail);
}

#[test]
fn a_holder_whose_copy_of_the_lock_died_is_not_tested() {
    let mut stage = Stage::new();
    stage.begin();
    stage.run(3);
    stage.plays[0].lock(&Event::Cannot("it died".into()), stage.now);
    stage.plays[1].lock(&Event::Got, stage.now);
    stage.run(3);
    assert_eq!(stage.verdicts(), [Some(Verdict::NotTested); 2]);
}

#[test]
fn a_holder_that_loses_the_other_copy_has_tested_nothing() {
    let mut stage = Stage::new();
    stage.begin();
    stage.run(3);
    stage.plays[0].lost("it ended", stage.now);
    stage.run(1);
    assert_eq!(stage.verdicts()[0], Some(Verdict::NotTested));
}
